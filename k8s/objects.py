"""Reads rendered manifests: several YAML documents become objects that can be looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Object = dict[str, Any]


class ManifestError(ValueError):
    """A manifest that cannot be read, or asks for what is not supported here."""


class Objects:
    """The objects of one rendered Kustomization.

    Args:
        documents: One mapping for each object.

    Raises:
        ManifestError: Something is no object, or two have the same kind and name.
    """

    def __init__(self, documents: Iterable[Any]):
        self.documents: list[Object] = [document for document in documents if document is not None]
        seen = set()
        for document in self.documents:
            if not isinstance(document, dict) or not {"kind", "apiVersion"} <= document.keys():
                raise ManifestError(f"No Kubernetes object: {str(document)[:80]!r}")
            key = document["kind"], name_of(document)
            if key in seen:
                raise ManifestError(f"Two objects are called {key[0]} {key[1]!r}")
            seen.add(key)

    def of(self, *kinds: str) -> list[Object]:
        """All objects of these kinds."""
        return [document for document in self.documents if document["kind"] in kinds]

    def find(self, kind: str, name: str) -> Object | None:
        """The object of this kind and name, or None."""
        return next((found for found in self.of(kind) if name_of(found) == name), None)

    def get(self, kind: str, name: str) -> Object:
        """The object of this kind and name.

        Raises:
            ManifestError: There is none.
        """
        found = self.find(kind, name)
        if found is None:
            names = ", ".join(repr(name_of(each)) for each in self.of(kind)) or "none"
            raise ManifestError(f"There is no {kind} {name!r}. There are: {names}.")
        return found


def load(text: str) -> Objects:
    """Reads what `kubectl kustomize` writes.

    Raises:
        ManifestError: It is not YAML, or holds no objects.
    """
    try:
        objects = Objects(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise ManifestError(f"The manifest is not YAML: {error}") from error
    if not objects.documents:
        raise ManifestError("The manifest holds no objects")
    return objects


def name_of(document: Mapping[str, Any]) -> str:
    """`metadata.name`."""
    return str(document.get("metadata", {}).get("name", ""))


@dataclass(frozen=True)
class Training:
    """The Job that trains, whether it stands alone or in a JobSet.

    Args:
        name: Name of the Job or JobSet.
        job: Specification of the Job.
        host: Host name of worker i is `<host>-<i>`.
        subdomain: What follows the host name: the headless Service's name.
        failure_policy: The JobSet's; None for a Job that stands alone.
    """

    name: str
    job: Object
    host: str
    subdomain: str | None
    failure_policy: Object | None = None

    @property
    def in_jobset(self) -> bool:
        """Whether a JobSet restarts it."""
        return self.failure_policy is not None

    @property
    def pod(self) -> Object:
        """The pods' template."""
        template: Object = self.job["template"]
        return template

    @property
    def workers(self) -> int:
        """How many pods there are."""
        return int(self.job["completions"])


def training_of(objects: Objects) -> Training:
    """The one Job or JobSet there is.

    Raises:
        ManifestError: There is none, or more than one, or a JobSet of several Jobs.
    """
    found = objects.of("Job", "JobSet")
    if len(found) != 1:
        names = ", ".join(f"{each['kind']} {name_of(each)!r}" for each in found) or "none"
        raise ManifestError(f"Expected one Job or one JobSet. Found: {names}.")
    document, name = found[0], name_of(found[0])
    spec = document["spec"]
    if document["kind"] == "Job":
        return Training(name, spec, name, spec["template"]["spec"].get("subdomain"))
    replicated = spec["replicatedJobs"]
    if len(replicated) != 1 or replicated[0].get("replicas", 1) != 1:
        raise ManifestError(f"JobSet {name!r}: expected one replicated job with one replica")
    # JobSet names the Jobs <JobSet>-<replicated job>-<number> and their pods after them.
    host = f"{name}-{replicated[0]['name']}-0"
    subdomain = spec.get("network", {}).get("subdomain", name)
    job = replicated[0]["template"]["spec"]
    return Training(name, job, host, subdomain, spec.get("failurePolicy", {}))


def pod_templates(objects: Objects) -> Iterator[tuple[str, Object]]:
    """Pairs of 'Kind name' and pod template of everything that makes pods."""
    for document in objects.of("Deployment", "StatefulSet"):
        yield f"{document['kind']} {name_of(document)}", document["spec"]["template"]
    for document in objects.of("Job", "JobSet"):
        where = f"{document['kind']} {name_of(document)}"
        jobs = [document["spec"]]
        if document["kind"] == "JobSet":
            jobs = [each["template"]["spec"] for each in document["spec"]["replicatedJobs"]]
        for job in jobs:
            yield where, job["template"]


def containers(template: Mapping[str, Any]) -> list[Object]:
    """Containers and init containers of a pod template."""
    spec = template["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def plain_env(container: Mapping[str, Any], objects: Objects) -> dict[str, str]:
    """Environment of a container as far as it is written in the manifests, without Secrets."""
    values: dict[str, str] = {}
    for source in container.get("envFrom", []):
        settings = objects.find("ConfigMap", source.get("configMapRef", {}).get("name", ""))
        values.update((settings or {}).get("data", {}))
    for entry in container.get("env", []):
        if "value" in entry:
            values[entry["name"]] = entry["value"]
    return values
