"""A network of namespaces: a switch in one, each pod in another, nothing in the machine's own."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

_PREFIX = "qstore-k8s"
_NAMESPACES = Path("/run/netns")
# 253 addresses are enough for one run; they exist inside the namespaces only.
_SUBNET = "10.231.77"
_counter = itertools.count()


class RunnerError(RuntimeError):
    """The runner cannot work on this machine, or one of its commands failed."""


def requirements() -> str | None:
    """Says what is missing to run pods here, or None."""
    missing = [name for name in ("ip", "unshare", "setpriv", "chroot") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} not found: install iproute2 and util-linux"
    if os.geteuid() != 0:
        return "namespaces need root: run it with sudo"
    probe = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--uts", "--fork", "true"], capture_output=True
    )
    if probe.returncode != 0:
        return f"this machine refuses namespaces: {probe.stderr.decode().strip()}"
    return None


class Network:
    """Namespaces for pods that reach each other, and the names they have for each other.

    Use it as a context manager: all namespaces go at the end, and with them the links in them.

    Args:
        hosts: File that is kept like /etc/hosts, with all pods in it.

    Raises:
        RunnerError: On entering, where namespaces cannot be made.
    """

    def __init__(self, hosts: Path):
        self.hosts = hosts
        self._names = f"{_PREFIX}-{os.getpid()}-{next(_counter)}"
        self._switch = f"{self._names}-switch"
        self._numbers = itertools.count(2)
        self._pods: dict[str, tuple[str, tuple[str, ...]]] = {}

    def __enter__(self) -> Network:
        """Makes the switch."""
        problem = requirements()
        if problem:
            raise RunnerError(f"Pods cannot run on this machine: {problem}")
        sweep()
        self._write_hosts()
        try:
            _ip("netns", "add", self._switch)
            _ip("-n", self._switch, "link", "add", "switch", "type", "bridge")
            _ip("-n", self._switch, "link", "set", "switch", "up")
        except RunnerError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Deletes all namespaces of this network."""
        for name in [each for each in _existing() if each.startswith(f"{self._names}-")]:
            _ip("netns", "del", name)

    def add(self, names: tuple[str, ...]) -> tuple[str, str]:
        """Makes a namespace for a pod that the others know by `names`.

        Returns:
            The namespace and the pod's address.
        """
        number = next(self._numbers)
        if number > 254:
            raise RunnerError("One run has addresses for 253 pods, restarts included")
        namespace, address = f"{self._names}-{number}", f"{_SUBNET}.{number}"
        _ip("netns", "add", namespace)
        end = f"pod{number}"
        _ip("-n", self._switch, "link", "add", end, "type", "veth",
            "peer", "name", "eth0", "netns", namespace)  # fmt: skip
        _ip("-n", self._switch, "link", "set", end, "master", "switch", "up")
        _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", namespace, "link", "set", "eth0", "up")
        _ip("-n", namespace, "link", "set", "lo", "up")
        self._pods[namespace] = address, names
        self._write_hosts()
        return namespace, address

    def remove(self, namespace: str) -> None:
        """Deletes a pod's namespace; its names are forgotten."""
        del self._pods[namespace]
        self._write_hosts()
        _ip("netns", "del", namespace)

    def _write_hosts(self) -> None:
        lines = ["127.0.0.1 localhost"]
        lines += [f"{address} {' '.join(names)}" for address, names in self._pods.values()]
        # In place: pods have this very file mounted.
        with open(self.hosts, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")


def sweep() -> list[str]:
    """Deletes what runs left behind whose process is gone; returns the names."""
    stale = []
    for name in _existing():
        found = re.match(rf"{_PREFIX}-(\d+)-", name)
        if found and not Path("/proc", found[1]).exists():
            _ip("netns", "del", name)
            stale.append(name)
    return stale


def _existing() -> list[str]:
    return sorted(path.name for path in _NAMESPACES.glob(f"{_PREFIX}-*"))


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise RunnerError(f"ip {' '.join(arguments)} failed: {done.stderr.strip()}")
