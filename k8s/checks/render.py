"""Renders a Kustomization with whatever tool there is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from k8s.objects import ManifestError

FOLDER = Path(__file__).resolve().parents[1]
OVERLAYS = (
    "base",
    "overlays/gpu",
    "overlays/ionq",
    "overlays/jobset",
    "overlays/local",
    "overlays/local-ionq",
    "overlays/store-postgres",
    "overlays/store-sqlite",
)

# In order of preference.
_TOOLS = (("kubectl", "kustomize"), ("kustomize", "build"))


def command() -> list[str] | None:
    """The command that renders a folder, or None where there is neither kubectl nor kustomize."""
    for name, verb in _TOOLS:
        path = shutil.which(name)
        if path is not None:
            return [path, verb]
    return None


def render(folder: Path) -> str:
    """Renders `folder` into YAML documents.

    Raises:
        ManifestError: There is no tool, or the tool refuses the folder.
    """
    tool = command()
    if tool is None:
        raise ManifestError("Nothing renders Kustomizations here: install kubectl or kustomize")
    done = subprocess.run([*tool, str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        raise ManifestError(f"{' '.join(tool)} {folder} failed: {done.stderr.strip()}")
    return done.stdout
