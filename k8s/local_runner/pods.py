"""One pod: a process in namespaces of its own, with the manifest's command, environment, user,
volumes and names.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from k8s.local_runner.images import Image
from k8s.local_runner.network import Network
from k8s.objects import ManifestError, Object, Objects, containers

_DEVICES = ("full", "null", "random", "urandom", "zero")


class Pod:
    """A pod that runs.

    Args:
        name: Its name.
        container: Name of its container.
        process: The process that waits for it, outside of the pod's namespaces.
        namespace: Its network namespace.
        log: What it writes to stdout and stderr.
    """

    def __init__(
        self, name: str, container: str, process: subprocess.Popen[bytes], namespace: str, log: Path
    ):
        self.name = name
        self.container = container
        self.namespace = namespace
        self.log = log
        self.terminating = False
        self._process = process
        self._kill_at: float | None = None

    def poll(self) -> int | None:
        """The exit code as Kubernetes counts it (128 + signal), or None while it runs."""
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self.kill()
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def kill(self) -> None:
        """kill -9 of the pod's first process; the kernel then ends all others of the pod."""
        inside = self._inside()
        if inside is not None:
            with suppress(ProcessLookupError):
                os.kill(inside, signal.SIGKILL)
        else:
            self._process.kill()

    def terminate(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds, as when a pod is deleted."""
        if self.terminating:
            return
        self.terminating = True
        self._kill_at = time.monotonic() + grace
        inside = self._inside()
        if inside is not None:
            with suppress(ProcessLookupError):
                os.kill(inside, signal.SIGTERM)

    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _inside(self) -> int | None:
        """The number, outside, of the process that is number 1 inside."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = (
                    stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                )
                if int(fields[1]) == self._process.pid:
                    return int(stat.parent.name)
        return None


@dataclass
class Machine:
    """Starts pods; what they share lies in one folder.

    Args:
        objects: The rendered manifests.
        image: What pods find below `/`.
        folder: Folder for volumes and logs.
        network: The pods' network.
        secrets: Contents of the Secrets that users make, by name and key.
    """

    objects: Objects
    image: Image
    folder: Path
    network: Network
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    _started: int = 0

    def claim(self, name: str) -> Path:
        """The folder that stands for a PersistentVolumeClaim."""
        self.objects.get("PersistentVolumeClaim", name)
        return self.folder / "claims" / name

    def start(
        self,
        template: Object,
        name: str,
        names: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Pod:
        """Starts a pod.

        Args:
            template: The pod's template; one container.
            name: Name of the pod, and its host name.
            names: What other pods call it.
            env: What the Job's controller adds to the environment.
            annotations: What it adds to the annotations.

        Raises:
            ManifestError: The template asks for what is not supported here.
        """
        if len(containers(template)) != 1:
            raise ManifestError(f"Pod {name}: expected one container, no init containers")
        container = containers(template)[0]
        self._started += 1
        namespace, address = self.network.add((*names, name))
        metadata = template.get("metadata", {})
        facts = {
            "metadata.name": name,
            "metadata.namespace": "default",
            "status.podIP": address,
            **{f"metadata.labels['{k}']": v for k, v in metadata.get("labels", {}).items()},
            **{
                f"metadata.annotations['{k}']": v
                for k, v in {**metadata.get("annotations", {}), **(annotations or {})}.items()
            },
        }
        own = self.folder / "pods" / f"{self._started}-{name}"
        own.mkdir(parents=True)
        variables = {
            **self.image.env,
            "HOSTNAME": name,
            **(env or {}),
            **self._environment(container, facts),
        }
        script = _script(
            self.image, own / "root", self._mounts(template, container, own), template, container,
            name, variables, self.network.hosts,
        )  # fmt: skip
        log = own / "log"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                # What a killed runner leaves behind ends with it. The outer shell waits; the inner
                # one is its first child and so the first process of the pod.
                ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", namespace,
                 "unshare", "--mount", "--pid", "--uts", "--ipc",
                 "sh", "-c", 'sh -c "$0" & wait $!', script],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        return Pod(name, container["name"], process, namespace, log)

    def remove(self, pod: Pod) -> None:
        """Forgets a pod that has ended: its namespace and names go, its log stays."""
        self.network.remove(pod.namespace)

    def _environment(self, container: Object, facts: Mapping[str, str]) -> dict[str, str]:
        values: dict[str, str] = {}
        for source in container.get("envFrom", []):
            if "configMapRef" not in source:
                raise ManifestError(f"envFrom {sorted(source)} is not supported here")
            values.update(self.objects.get("ConfigMap", source["configMapRef"]["name"])["data"])
        for entry in container.get("env", []):
            values[entry["name"]] = (
                _expand(entry["value"], values)
                if "value" in entry
                else self._value(entry["name"], entry["valueFrom"], facts)
            )
        return values

    def _value(self, name: str, source: Object, facts: Mapping[str, str]) -> str:
        ((kind, place),) = source.items()
        if kind == "configMapKeyRef":
            found = self.objects.get("ConfigMap", place["name"])["data"].get(place["key"])
        elif kind == "secretKeyRef":
            found = self.secrets.get(place["name"], {}).get(place["key"])
        elif kind == "fieldRef":
            found = facts.get(place["fieldPath"])
        else:
            raise ManifestError(f"{name}: valueFrom {kind} is not supported here")
        if found is None:
            raise ManifestError(f"{name}: there is no {kind} {place}")
        return str(found)

    def _mounts(
        self, template: Object, container: Object, own: Path
    ) -> Iterator[tuple[Path, str, bool]]:
        """Pairs of folder and place in the pod, and whether it is read-only."""
        group = template["spec"].get("securityContext", {}).get("fsGroup", 0)
        sources = {volume["name"]: volume for volume in template["spec"].get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in sources:
                raise ManifestError(f"Volume {mount['name']!r} is mounted but not declared")
            volume = sources[mount["name"]]
            ((kind, source),) = ((k, v) for k, v in volume.items() if k != "name")
            read_only = bool(mount.get("readOnly"))
            if kind == "persistentVolumeClaim":
                folder = self.claim(source["claimName"])
            elif kind in ("emptyDir", "configMap"):
                folder = own / "volumes" / mount["name"]
            else:
                raise ManifestError(f"Volume {mount['name']!r}: {kind} is not supported here")
            if not folder.exists():
                folder.mkdir(parents=True)
                os.chown(folder, 0, group)
                folder.chmod(0o2777 if kind == "emptyDir" else 0o2770)
            if kind == "configMap":
                read_only = True
                for name, text in self.objects.get("ConfigMap", source["name"])["data"].items():
                    (folder / name).write_text(text, encoding="utf-8")
            yield folder, mount["mountPath"], read_only


def _script(
    image: Image,
    root: Path,
    mounts: Iterator[tuple[Path, str, bool]],
    template: Object,
    container: Object,
    host: str,
    env: Mapping[str, str],
    hosts: Path,
) -> str:
    """Shell commands that build the pod's root and become the container's process in it."""
    root.mkdir()
    at = shlex.quote(str(root))
    empty = root.parent / "empty"
    empty.touch()
    lines = ["set -e", f"hostname {shlex.quote(host)}", f"mount -t tmpfs -o mode=0755 pod {at}"]

    def bind(source: Path, place: str, read_only: bool) -> None:
        quoted = shlex.quote(f"{root}{place}")
        lines.append(f"mkdir -p {quoted}" if source.is_dir() else f"touch {quoted}")
        lines.append(f"mount --rbind {shlex.quote(str(source))} {quoted}")
        if read_only:
            lines.append(f"mount -o remount,bind,ro {quoted}")

    binds = [(Path(source), place, True) for place, source in image.folders.items()]
    # Outer folders first: a volume at /tmp must not hide an interpreter that lives below /tmp.
    for source, place, read_only in sorted([*binds, *mounts], key=lambda each: each[1].count("/")):
        bind(source, place, read_only)
    for place, target in image.links.items():
        lines.append(f"ln -s {shlex.quote(target)} {at}{place}")
    lines.append(f"mkdir -p {at}/proc {at}/dev/shm && mount -t proc proc {at}/proc")
    for device in _DEVICES:
        bind(Path("/dev", device), f"/dev/{device}", False)
    lines.append(f"mount -t tmpfs -o mode=1777,size=64m shm {at}/dev/shm")
    # No name server: a name that is not among the pods is refused at once.
    for source, name in ((hosts, "hosts"), (empty, "resolv.conf")):
        lines.append(f"mount --bind {shlex.quote(str(source))} {at}/etc/{name}")
    context: dict[str, Any] = {
        **template["spec"].get("securityContext", {}),
        **container.get("securityContext", {}),
    }
    if context.get("readOnlyRootFilesystem"):
        lines.append(f"mount -o remount,ro {at}")
    user, group = context.get("runAsUser", 0), context.get("runAsGroup", 0)
    groups = sorted({group, context.get("fsGroup", group)})
    become = ["setpriv", "--reuid", str(user), "--regid", str(group), "--pdeathsig", "KILL"]
    become += ["--groups", ",".join(map(str, groups)), "--inh-caps=-all", "--bounding-set=-all"]
    if context.get("allowPrivilegeEscalation") is False:
        become.append("--no-new-privs")
    command = container.get("command")
    if not command:
        raise ManifestError(f"Container {container['name']!r} names no command")
    words = [_expand(word, env) for word in [*command, *container.get("args", [])]]
    inner = ["env", "-i", *(f"{k}={v}" for k, v in env.items()), *words]
    folder = container.get("workingDir", "/tmp")
    lines.append(
        f'exec chroot {at} sh -c \'cd "$0" && exec "$@"\' {shlex.quote(folder)} '
        + shlex.join([*become, "--", *inner])
    )
    return "\n".join(lines)


def _expand(text: str, values: Mapping[str, str]) -> str:
    """Replaces $(NAME) as Kubernetes does: $$(NAME) stays, and so does what is not known."""

    def replace(found: re.Match[str]) -> str:
        whole, name = found[0], found[1]
        return whole[1:] if whole.startswith("$$") else values.get(name, whole)

    return re.sub(r"\$?\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)", replace, text)


@contextmanager
def machine(
    objects: Objects,
    image: Image,
    folder: Path,
    secrets: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[Machine]:
    """A machine whose namespaces are gone afterwards, whatever happens.

    Args:
        objects: The rendered manifests.
        image: What pods find below `/`.
        folder: Empty folder for volumes and logs.
        secrets: Contents of Secrets by name and key.

    Raises:
        RunnerError: Pods cannot run on this machine.
    """
    with Network(folder / "hosts") as network:
        yield Machine(objects, image, folder, network, secrets or {})
