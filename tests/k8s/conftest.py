import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# `k8s` stands beside the package and is not installed with it.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from k8s.checks import render  # noqa: E402
from k8s.local_runner import network  # noqa: E402
from k8s.objects import Objects, load  # noqa: E402


def missing(what: str, variable: str) -> None:
    """Skips a test that cannot run here; fails it where CI has promised that it can."""
    if os.environ.get(variable, "0") not in ("", "0"):
        pytest.fail(f"{variable} is set, but: {what}")
    pytest.skip(what)


@functools.cache
def _text(overlay: str) -> str:
    return render.render(render.FOLDER / overlay)


@pytest.fixture
def rendered() -> Callable[[str], Objects]:
    """Gives fresh objects of a folder such as 'base' or 'overlays/gpu'."""
    if render.command() is None:
        missing("neither kubectl nor kustomize is installed", "QSTORE_REQUIRE_KUSTOMIZE")
    return lambda overlay: load(_text(overlay))


@pytest.fixture
def namespaces() -> None:
    """For tests that run pods."""
    problem = network.requirements()
    if problem:
        missing(f"pods cannot run on this machine: {problem}", "QSTORE_REQUIRE_NAMESPACES")
