"""What a pod finds below `/`: this machine's Python with the package, or an unpacked image."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from k8s.local_runner.network import RunnerError

_SYSTEM = ("bin", "etc", "lib", "lib32", "lib64", "sbin", "usr")
# Where pods find a qstore_tf that is not installed but imported from its sources.
_SOURCES = "/opt/qstore-tf"


@dataclass(frozen=True)
class Image:
    """Folders that pods see, read-only, and the environment that containers start with.

    Args:
        folders: Where each folder of the pod comes from on this machine.
        links: Symbolic links of the pod.
        env: Environment.
    """

    folders: dict[str, str]
    links: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)


def this_python() -> Image:
    """The interpreter that runs this, its packages, and the `qstore_tf` that it would import.

    `python` in a manifest then means this interpreter: its folder is the first of PATH.

    Raises:
        RunnerError: `qstore_tf` cannot be imported here.
    """
    folders, links = {}, {}
    for name in _SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            links[str(path)] = os.readlink(path)
        elif path.exists():
            folders[str(path)] = str(path)
    for prefix in {sys.prefix, sys.base_prefix}:
        if not any(Path(prefix).is_relative_to(known) for known in folders):
            folders[prefix] = prefix
    found = importlib.util.find_spec("qstore_tf")
    if found is None or not found.submodule_search_locations:
        raise RunnerError("This Python cannot import qstore_tf: install it first")
    package = str(Path(found.submodule_search_locations[0]).resolve())
    env = _env_of_dockerfile()
    env["PATH"] = f"{Path(sys.prefix, 'bin')}:/usr/local/bin:/usr/bin:/bin"
    if not any(Path(package).is_relative_to(known) for known in folders):
        folders[f"{_SOURCES}/qstore_tf"] = package
        env["PYTHONPATH"] = _SOURCES
    return Image(folders, links, env)


def unpacked(root: Path) -> Image:
    """An image unpacked in `root`, as `buildah mount` shows it, built from our Dockerfile."""
    folders, links = {}, {}
    for path in root.iterdir():
        if path.is_symlink():
            links[f"/{path.name}"] = os.readlink(path)
        elif path.is_dir() and path.name not in ("dev", "proc", "sys", "tmp"):
            folders[f"/{path.name}"] = str(path)
    env = _env_of_dockerfile()
    env["PATH"] = env["PATH"].replace("$PATH", "/usr/local/bin:/usr/bin:/bin")
    return Image(folders, links, env)


def _env_of_dockerfile() -> dict[str, str]:
    """ENV of the last stage of our Dockerfile."""
    text = (Path(__file__).resolve().parents[2] / "Dockerfile").read_text(encoding="utf-8")
    last = text[text.rindex("\nFROM ") :].replace("\\\n", " ")
    lines = re.findall(r"^ENV (.*)$", last, flags=re.MULTILINE)
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(lines)))
