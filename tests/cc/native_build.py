"""Compiles C++ test programs with the flags and the make rules of setup.py."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
# In every test program, besides its own files: the library, and what it is compared with.
COMMON = ("lib", "lib/fast", "lib/tests/reference")
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@cache
def build_script() -> ModuleType:
    """setup.py as a module; it sets nothing up when imported."""
    spec = importlib.util.spec_from_file_location("qstore_setup", ROOT / "setup.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compiler() -> list[str]:
    """The C++ compiler; a machine without one cannot run these tests, and installs without it."""
    build = build_script()
    try:
        return build.find_compiler()
    except build.BuildError as error:
        pytest.skip(str(error))


def link_program(
    name: str, command: list[str], flags: dict[Path, list[str]], folder: Path, *link: str
) -> Path:
    """Compiles the files of `flags` with these, and links them.

    Objects are kept in `folder`, so that only what changed is compiled again.
    """
    build = build_script()
    objects = build.compile_all(command, flags, folder)
    target = folder / name
    names = [str(path) for path in objects]
    build.make(target, objects, [*command, "-pthread", *link, *names, "-o", str(target)])
    return target


def build_program(name: str, *folders: str) -> Path:
    """The test program of the library and `folders` under AddressSanitizer and UBSan."""
    build = build_script()
    flags = {
        path: [*build.flags_for(path, "test"), "-O1", "-g", "-UNDEBUG", *SANITIZE]
        for path in build.sources(*COMMON, *folders)
    }
    return link_program(name, compiler(), flags, ROOT / "build" / "sanitized", *SANITIZE)
