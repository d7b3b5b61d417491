"""Rules for the quantum database: where it keeps its data, who reaches it, how it grows.

They say nothing where nothing runs `qstore db serve`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from k8s.objects import Object, Objects, containers, name_of, pod_templates

_SERVE = ["qstore", "db", "serve"]
_OUTSIDE = {53, 5432, 6379}  # names, PostgreSQL, Redis


def serves(objects: Objects) -> bool:
    """Whether anything runs `qstore db serve`."""
    return any(True for _ in _servers(objects))


def storage(objects: Objects) -> Iterator[str]:
    """A file lies on a claim of one pod; otherwise the address comes from a Secret."""
    for where, template, container in _servers(objects):
        words = _words(container)
        place = next((word for word in words[3:] if not word.startswith("-")), "")
        named = re.fullmatch(r"\$\((\w+)\)", place)
        if named:
            if named[1] not in _from_secrets(container):
                yield f"{where}: the database's address {place} comes from no Secret"
            continue
        if place.startswith("postgresql:"):
            yield f"{where}: the database's address stands there in plain text"
            continue
        claim = _claim_of(template, container, place)
        if claim is None:
            yield f"{where}: {place or 'the database'} lies on no claim that may be written"
            continue
        modes = objects.get("PersistentVolumeClaim", claim)["spec"]["accessModes"]
        if modes != ["ReadWriteOncePod"]:
            yield f"{where}: several pods may write to {claim}: {modes}"
        owner = next(one for one in objects.documents if _title(one) == where)
        if owner["kind"] != "StatefulSet" or owner["spec"].get("replicas") != 1:
            yield f"{where} serves a file, and is not a StatefulSet of one pod"


def api_keys(objects: Objects) -> Iterator[str]:
    """Whoever is reached by other pods asks for a key, and has its keys from a Secret."""
    for where, _, container in _servers(objects):
        if "QSTORE_DB_KEYS" not in _from_secrets(container):
            yield f"{where}: QSTORE_DB_KEYS comes from no Secret"


def reach(objects: Objects) -> Iterator[str]:
    """Pods of the namespace get in, on one port; names and PostgreSQL are all that is outside."""
    for where, template, container in _servers(objects):
        labels = template["metadata"]["labels"]
        ports = {port["containerPort"] for port in container["ports"]}
        policies = [
            policy["spec"]
            for policy in objects.of("NetworkPolicy")
            if policy["spec"]["podSelector"].get("matchLabels", {}).items() <= labels.items()
        ]
        covered = {kind for policy in policies for kind in policy["policyTypes"]}
        for kind in sorted({"Ingress", "Egress"} - covered):
            yield f"{where}: no NetworkPolicy limits {kind}"
        incoming = [rule for policy in policies for rule in policy.get("ingress", [])]
        for rule in incoming:
            if _numbers(rule) != ports:
                yield f"{where}: open on {sorted(_numbers(rule))}, listens on {sorted(ports)}"
            for peer in rule.get("from") or [{}]:
                if peer.keys() != {"podSelector"}:
                    yield f"{where} is open to others than pods of its namespace: {peer}"
        if not incoming:
            yield f"{where} is closed to everybody"
        opened = {n for policy in policies for rule in policy.get("egress", []) for n in _out(rule)}
        remote = any(word.startswith("$(") for word in _words(container))
        if opened != (_OUTSIDE if remote else set()):
            yield f"{where}: its way out is {sorted(map(str, opened))}"


def scaling(objects: Objects) -> Iterator[str]:
    """An autoscaler has a Deployment to itself; nodes can be drained, and a pod is always left."""
    for scaler in objects.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        deployment = objects.find(target["kind"], target["name"])
        where = f"HorizontalPodAutoscaler {name_of(scaler)}"
        if deployment is None or target["kind"] != "Deployment":
            yield f"{where} has no Deployment {target}"
            continue
        if "replicas" in deployment["spec"]:
            yield f"{where}: the Deployment sets replicas too, at each kubectl apply"
        if scaler["spec"].get("minReplicas", 1) < 2:
            yield f"{where}: with one pod, a node that is drained interrupts the service"
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        budgets = [
            each["spec"]
            for each in objects.of("PodDisruptionBudget")
            if each["spec"]["selector"]["matchLabels"].items() <= labels.items()
        ]
        if [each.get("maxUnavailable") for each in budgets] != [1]:
            yield f"{where}: no PodDisruptionBudget lets one pod go at a time"
    for budget in objects.of("PodDisruptionBudget"):
        wanted = budget["spec"]["selector"]["matchLabels"].items()
        pods = [each["metadata"]["labels"].items() for _, each in pod_templates(objects)]
        if not any(wanted <= labels for labels in pods):
            yield f"PodDisruptionBudget {name_of(budget)} selects no pods"


RULES = (storage, api_keys, reach, scaling)


def _servers(objects: Objects) -> Iterator[tuple[str, Object, Object]]:
    for where, template in pod_templates(objects):
        for container in containers(template):
            if _words(container)[:3] == _SERVE:
                yield where, template, container


def _words(container: Object) -> list[str]:
    return [*container.get("command", []), *container.get("args", [])]


def _title(document: Object) -> str:
    return f"{document['kind']} {name_of(document)}"


def _from_secrets(container: Object) -> set[str]:
    env = container.get("env", [])
    return {each["name"] for each in env if "secretKeyRef" in each.get("valueFrom", {})}


def _claim_of(template: Object, container: Object, path: str) -> str | None:
    """The claim that is mounted where a file lies, and may be written."""
    claims: dict[str, str] = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in template["spec"].get("volumes", [])
        if "persistentVolumeClaim" in volume
    }
    for mount in container.get("volumeMounts", []):
        if Path(mount["mountPath"]) in Path(path).parents and not mount.get("readOnly"):
            return claims.get(mount["name"])
    return None


def _numbers(rule: Object) -> set[Any]:
    return {each["port"] for each in rule.get("ports", [])}


def _out(rule: Object) -> set[Any]:
    return _numbers(rule) or {"every port"}
