"""Holds objects to the schemas of Kubernetes releases and to JobSet's models."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

from k8s.objects import Object, Objects, name_of

VERSIONS = tuple(f"1.{minor}" for minor in range(30, 38))


def problems(objects: Objects, version: str) -> Iterator[str]:
    """Yields what Kubernetes `version` would refuse; JobSets are checked with their models."""
    for document in objects.documents:
        check = _jobset if document["kind"] == "JobSet" else _kubernetes
        problem = check(document, version)
        if problem:
            yield f"{document['kind']} {name_of(document)}, Kubernetes {version}: {problem}"


def _kubernetes(document: Object, version: str) -> str | None:
    import kubernetes_validate

    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        where = ".".join(str(part) for part in error.path)
        return f"{where}: {error.message}"
    return None


def _jobset(document: Object, version: str) -> str | None:
    from kubeflow_trainer_api.models.jobset_v1alpha2_job_set import JobsetV1alpha2JobSet
    from pydantic import ValidationError

    if document["apiVersion"] != "jobset.x-k8s.io/v1alpha2":
        return f"apiVersion: {document['apiVersion']!r} is not 'jobset.x-k8s.io/v1alpha2'"
    try:
        model = JobsetV1alpha2JobSet.from_dict(document)
    except ValidationError as error:
        return str(error)
    assert model is not None
    # The models skip fields they do not know: what they did not keep was misspelt.
    lost = sorted(_paths(document) - _paths(model.to_dict()))
    if lost:
        return f"unknown fields: {', '.join(lost)}"
    # The child jobs once more, by Kubernetes's own schema, which knows allowed values too.
    for replicated in document["spec"]["replicatedJobs"]:
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": replicated["name"]},
            "spec": replicated["template"]["spec"],
        }
        problem = _kubernetes(job, version)
        if problem:
            return problem
    return None


def _paths(value: Any, prefix: str = "") -> set[str]:
    """Dotted paths of all fields of a nested mapping."""
    if isinstance(value, dict):
        parts = [
            _paths(child, f"{prefix}.{key}" if prefix else key) for key, child in value.items()
        ]
        return set().union(*parts) or {prefix}
    if isinstance(value, list):
        return set().union(*(_paths(child, f"{prefix}[]") for child in value)) or {prefix}
    return {prefix}


def available() -> bool:
    """Whether the packages that hold the schemas are installed."""
    names = ("kubernetes_validate", "kubeflow_trainer_api")
    return all(importlib.util.find_spec(name) is not None for name in names)
