"""Builds the native op library. All metadata is in setup.cfg.

`pip install .` and `python setup.py build_ext --inplace` compile qstore_tf/cc into
qstore_tf/ops/_qstore_ops.so. TensorFlow is not needed for that: the library uses TensorFlow's C
API alone and is linked against an empty library of the same name, so that one binary serves every
supported TensorFlow version. Without a compiler the package is installed without the library.

Environment: CXX, CXXFLAGS, LDFLAGS; QSTORE_BUILD_JOBS (default 2); QSTORE_REQUIRE_NATIVE=1 turns
a library that cannot be built into an error; QSTORE_SKIP_NATIVE=1 leaves it out.
QSTORE_PLATFORM=manylinux_2_27_aarch64 (or another glibc, or x86_64) cross-compiles a wheel that
installs wherever glibc is at least that new, with the Clang and the libc++ of the package ziglang
or of the command QSTORE_ZIG.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

LIBRARY = "qstore_tf.ops._qstore_ops"
ROOT = Path(__file__).resolve().parent
SOURCE = Path("qstore_tf", "cc")
FRAMEWORK = "libtensorflow_framework.so.2"

COMPILE_FLAGS = shlex.split(
    "-std=c++17 -O3 -DNDEBUG -fPIC -pthread -Wall -Wextra -ffp-contract=fast -fno-math-errno "
    "-fvisibility=hidden -fvisibility-inlines-hidden"
)
# Each of these files holds one copy of the engine, chosen when the program runs.
ISA_FLAGS = {
    "_avx2.cc": ["-mavx2", "-mfma"],
    "_avx512.cc": shlex.split(
        "-mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mprefer-vector-width=512"
    ),
}

# Products of complex numbers in place. A call into the compiler's runtime would bring all of that
# into the library, and with it slower copies of sincos, memcpy and others that glibc has.
CROSS_FLAG = "-fcx-limited-range"


class BuildError(Exception):
    """The library cannot be built; the message says why."""


class Platform(NamedTuple):
    """What to cross-compile for."""

    glibc: str
    machine: str

    @property
    def tag(self) -> str:
        """The wheel's platform tag."""
        return f"manylinux_{self.glibc.replace('.', '_')}_{self.machine}"


def cross_platform() -> Platform | None:
    """What QSTORE_PLATFORM asks for; None for a build for this machine."""
    text = os.environ.get("QSTORE_PLATFORM", "")
    if not text:
        return None
    match = re.fullmatch(r"manylinux_(\d+)_(\d+)_(x86_64|aarch64)", text)
    if match is None:
        raise BuildError(
            "QSTORE_PLATFORM must be a tag such as 'manylinux_2_27_x86_64' or "
            f"'manylinux_2_27_aarch64', received {text!r}"
        )
    return Platform(f"{match[1]}.{match[2]}", match[3])


def is_x86() -> bool:
    """Whether the target understands the x86 flags."""
    cross = cross_platform()
    machine = cross.machine if cross else platform.machine()
    return machine.lower() in ("x86_64", "amd64")


def sources(*folders: str) -> list[Path]:
    """C++ files that this machine can compile, relative to the root; default: the library's."""
    found = sorted(
        path.relative_to(ROOT)
        for folder in folders or ("", "lib", "lib/fast", "ops", "kernels")
        for path in (ROOT / SOURCE / folder).glob("*.cc")
    )
    return [path for path in found if is_x86() or not path.name.endswith(tuple(ISA_FLAGS))]


def flags_for(source: Path, version: str) -> list[str]:
    """Compiler flags of one file."""
    flags = [*COMPILE_FLAGS, f'-DQSTORE_VERSION="{version}"']
    for suffix, extra in ISA_FLAGS.items():
        if source.name.endswith(suffix):
            flags += extra
    if cross_platform():
        flags.append(CROSS_FLAG)
    return flags + shlex.split(os.environ.get("CXXFLAGS", ""))


def find_compiler() -> list[str]:
    """The C++ compiler's command."""
    cross = cross_platform()
    if cross:
        zig = shlex.split(os.environ.get("QSTORE_ZIG", ""))
        if not zig and importlib.util.find_spec("ziglang") is None:
            raise BuildError(f"QSTORE_PLATFORM={cross.tag} needs the package: pip install ziglang")
        target = f"{cross.machine}-linux-gnu.{cross.glibc}"
        return [*(zig or [sys.executable, "-m", "ziglang"]), "c++", "-target", target]
    if os.environ.get("CXX"):
        command = shlex.split(os.environ["CXX"])
        if shutil.which(command[0]) is None:
            raise BuildError(f"the C++ compiler CXX={os.environ['CXX']!r} was not found")
        return command
    for name in ("c++", "g++", "clang++"):
        path = shutil.which(name)
        if path is not None:
            return [path]
    raise BuildError("no C++ compiler was found (looked for c++, g++ and clang++, and at CXX)")


def run(command: list[str]) -> None:
    """Runs one compiler command; its output becomes the error."""
    print(shlex.join(command), flush=True)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")
    if done.stderr:
        print(done.stderr, file=sys.stderr, flush=True)


def stamp_of(command: list[str]) -> str:
    """Changes when the command does."""
    return hashlib.sha256("\0".join(command).encode()).hexdigest()


def is_fresh(target: Path, inputs: Iterable[Path], command: list[str]) -> bool:
    """Whether `target` was made by this very command and is newer than all its inputs."""
    stamp = target.with_name(target.name + ".stamp")
    if not target.exists() or not stamp.exists() or stamp.read_text() != stamp_of(command):
        return False
    made = target.stat().st_mtime_ns
    return all(path.exists() and path.stat().st_mtime_ns < made for path in inputs)


def make(target: Path, inputs: Iterable[Path], command: list[str]) -> None:
    """Runs `command` to make `target` unless that is up to date."""
    if is_fresh(target, inputs, command):
        return
    stamp = target.with_name(target.name + ".stamp")
    stamp.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    run(command)
    stamp.write_text(stamp_of(command))


def headers_of(depfile: Path) -> list[Path]:
    """What a compiler's dependency file names: the source and all headers it includes."""
    if not depfile.exists():
        return [depfile]  # missing, so not fresh
    _, _, names = depfile.read_text().partition(":")
    return [ROOT / name for name in shlex.split(names.replace("\\\n", " "))]


def compile_object(compiler: list[str], source: Path, folder: Path, flags: list[str]) -> Path:
    """Compiles one file into `folder`; returns the object file."""
    target = folder / source.with_suffix(".o")
    depfile = target.with_suffix(".d")
    command = [*compiler, *flags, "-MMD", "-MF", str(depfile), "-c", str(source), "-o", str(target)]
    make(target, headers_of(depfile), command)
    return target


def compile_all(compiler: list[str], flags: dict[Path, list[str]], folder: Path) -> list[Path]:
    """Compiles the files that `flags` gives the flags of, several at a time."""
    with ThreadPoolExecutor(int(os.environ.get("QSTORE_BUILD_JOBS", "2"))) as pool:
        jobs = [
            pool.submit(compile_object, compiler, source, folder, options)
            for source, options in flags.items()
        ]
        return [job.result() for job in jobs]


def make_stub(compiler: list[str], folder: Path) -> Path:
    """An empty stand-in for TensorFlow's library: its name and the functions that we call."""
    header = ROOT / SOURCE / "tf" / "c_api.h"
    names = sorted(set(re.findall(r"\b(TF_\w+)\(", header.read_text())))
    text = "".join(f'extern "C" void* {name}(void) {{ return nullptr; }}\n' for name in names)
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "stub.cc"
    if not source.exists() or source.read_text() != text:
        source.write_text(text)
    target = folder / FRAMEWORK
    flags = ["-shared", "-fPIC", f"-Wl,-soname,{FRAMEWORK}"]
    make(target, [source], [*compiler, *flags, str(source), "-o", str(target)])
    return target


def link_flags(compiler: list[str], folder: Path) -> list[str]:
    """Flags that decide what the library needs where it is loaded."""
    if sys.platform == "darwin":
        return ["-undefined", "dynamic_lookup"]
    # Our own copy of the C++ runtime: TensorFlow's wheels are built with another one.
    runtime = shlex.split(
        "-static-libstdc++ -static-libgcc -Wl,-s -Wl,-z,nodelete -Wl,--no-undefined"
    )
    exports = folder / "exports.map"
    exports.write_text("{ global: qstore_*; local: *; };\n")
    stub = make_stub(compiler, folder / "stub")
    hidden = f"-Wl,--version-script={exports}"
    return [*runtime, hidden, "-Wl,--no-as-needed", str(stub), "-Wl,--as-needed"]


def build_library(folder: Path, version: str) -> Path:
    """Compiles what changed and links the library, all in `folder`."""
    if os.environ.get("QSTORE_SKIP_NATIVE", "0") not in ("", "0"):
        raise BuildError("QSTORE_SKIP_NATIVE is set")
    if os.name == "nt":
        raise BuildError("the native op library is not built on Windows")
    compiler = find_compiler()
    objects = compile_all(compiler, {path: flags_for(path, version) for path in sources()}, folder)
    libraries = link_flags(compiler, folder)
    extra = shlex.split(os.environ.get("LDFLAGS", ""))
    names = [str(path) for path in objects]
    target = folder / "_qstore_ops.so"
    command = [*compiler, "-shared", "-pthread", *names, *libraries, *extra, "-o", str(target)]
    make(target, objects, command)
    return target


class BuildNative(build_ext):
    """Builds the op library with our own rules: it is no Python extension module."""

    def run(self) -> None:
        """Needs no Python headers and no compiler that setuptools knows."""
        inplace = bool(self.inplace)
        self.inplace = False
        for ext in self.extensions:
            self.build_extension(ext)
        self.inplace = inplace
        if inplace:
            self.copy_extensions_to_source()

    def get_ext_filename(self, fullname: str) -> str:
        """One name for all Python versions."""
        return os.path.join(*fullname.split(".")) + ".so"

    def build_extension(self, ext: Extension) -> None:
        """Builds the library, or says why not."""
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        folder = Path(self.build_temp, os.environ.get("QSTORE_PLATFORM", "")).resolve()
        try:
            built = build_library(folder, self.distribution.get_version())
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(built), str(target))
            return
        except (BuildError, OSError) as error:
            reason = str(error)
        target.unlink(missing_ok=True)
        if os.environ.get("QSTORE_REQUIRE_NATIVE", "0") not in ("", "0"):
            raise SystemExit(f"qstore_tf: the native op library was not built: {reason}")
        print(
            f"qstore_tf: WARNING: the native op library was not built: {reason}\n"
            "qstore_tf: going on without it. backend='tensorflow' gives the same results, slower."
            "\nqstore_tf: to build it later: install a C++17 compiler, then run "
            "`python setup.py build_ext --inplace` or `pip install --force-reinstall --no-deps .`",
            file=sys.stderr,
        )


class NativeWheel(bdist_wheel):
    """The library does not depend on the Python version, only on the platform."""

    def get_tag(self) -> tuple[str, str, str]:
        """py3-none-<platform>, or py3-none-any where the library could not be built."""
        if not list(Path(self.bdist_dir or ".").rglob("_qstore_ops.so")):
            return "py3", "none", "any"
        cross = cross_platform()
        return "py3", "none", cross.tag if cross else super().get_tag()[2]


if __name__ == "__main__":
    setup(
        ext_modules=[Extension(LIBRARY, sources=[], optional=True)],
        cmdclass={"build_ext": BuildNative, "bdist_wheel": NativeWheel},
    )
