"""The library with each compiler that the README names, and cross-compiled as wheels are."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from native_build import COMMON, ROOT, build_script, link_program

WHEEL_TOOLS = ROOT / ".ci-venvs" / "wheels" / "bin" / "python"
ARM_SYSTEM = Path("/usr/aarch64-linux-gnu")  # Debian's package libc6-arm64-cross


def need(condition: bool, what: str) -> None:
    """Without a tool a test is skipped, except where all of them were promised."""
    if condition:
        return
    if os.environ.get("QSTORE_REQUIRE_TOOLCHAINS") == "1":
        pytest.fail(f"QSTORE_REQUIRE_TOOLCHAINS=1, and yet there is no {what}")
    pytest.skip(f"no {what}")


def run(*command: object, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-5000:]
    return output


@pytest.mark.slow
@pytest.mark.parametrize("name", ["g++", "clang++"])
def test_each_compiler_warns_of_nothing_and_its_library_passes_the_unit_tests(name: str) -> None:
    need(shutil.which(name) is not None, name)
    build = build_script()
    # Level 1 finds what there is to warn of in a third of the time, and all instruction sets are
    # compiled; the other test programs are at level 1 as well.
    flags = {
        path: [*build.flags_for(path, "test"), "-O1", "-UNDEBUG", "-Werror"]
        for path in build.sources(*COMMON, "lib/tests")
    }
    folder = ROOT / "build" / "toolchains" / name
    output = run(link_program("unit_tests", [name], flags, folder))
    assert output.count("ok ") >= 25 and "FAILED" not in output
    for source in build.sources("", "ops", "kernels"):
        build.compile_object([name], source, folder, [*build.flags_for(source, "test"), "-Werror"])


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs programs for 64-bit ARM; building is for such wheels from here on."""
    if "QSTORE_ZIG" not in os.environ:
        need(WHEEL_TOOLS.exists(), "cross-compiler (`make wheels` installs it)")
        monkeypatch.setenv("QSTORE_ZIG", f"{WHEEL_TOOLS} -m ziglang")
    emulator = shutil.which("qemu-aarch64")
    need(emulator is not None, "qemu-aarch64")
    need(ARM_SYSTEM.exists(), f"{ARM_SYSTEM}")
    monkeypatch.setenv("QSTORE_PLATFORM", "manylinux_2_27_aarch64")
    return [str(emulator), "-L", str(ARM_SYSTEM)]


@pytest.mark.slow
def test_the_library_for_arm_loads_and_passes_the_unit_tests(arm: list[str]) -> None:
    build = build_script()
    folder = ROOT / "build" / "toolchains" / "aarch64"
    library = build.build_library(folder, "test")
    command = build.find_compiler()
    pie = ["-fPIC", "-pie"]  # takes the C++ runtime that the library has: another costs a minute

    source = Path("tests/cc/load_library.cc")
    loader = link_program("load_library", command, {source: ["-O1", "-fPIC"]}, folder, *pie, "-ldl")
    # The stand-in for TensorFlow's library says yes to all that is registered.
    said = run(*arm, loader, library, QEMU_SET_ENV=f"LD_LIBRARY_PATH={folder / 'stub'}")
    assert "qstore test; compiler clang" in said and "level base" in said

    # The very objects of the library, and the tests.
    flags = {path: build.flags_for(path, "test") for path in build.sources(*COMMON, "lib/tests")}
    # The emulator (7.2) itself aborts in children that a process of several threads forks.
    beyond_it = "a_forked_child_has_threads_of_its_own"
    output = run(*arm, link_program("unit_tests", command, flags, folder, *pie), beyond_it)
    assert output.count("ok ") >= 25 and "FAILED" not in output


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not Path("/proc/cpuinfo").exists(),
    reason="reads Linux's description of x86-64 processors",
)
def test_the_level_is_the_best_that_the_processor_has(monkeypatch: pytest.MonkeyPatch) -> None:
    build = build_script()
    folder = ROOT / "build" / "toolchains" / "level"
    source = folder / "level.cc"
    folder.mkdir(parents=True, exist_ok=True)
    text = f'#include "{ROOT}/qstore_tf/cc/lib/cpu.h"\n#include <cstdio>\n'
    text += "int main() { std::puts(qstore::SimdName(qstore::DetectSimd())); }\n"
    if not source.exists() or source.read_text() != text:
        source.write_text(text)
    command = build.find_compiler()
    files = {path: ["-std=c++17"] for path in (source, Path("qstore_tf/cc/lib/cpu.cc"))}
    program = link_program("level", command, files, folder)

    (flags,) = {
        line.partition(":")[2]
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("flags")
    }
    has = set(flags.split())
    best = "base"
    if {"avx2", "fma"} <= has:
        best = "avx2"
        if {"avx512f", "avx512dq", "avx512bw", "avx512vl"} <= has:
            best = "avx512"
    levels = ["base", "avx2", "avx512"]
    monkeypatch.delenv("QSTORE_SIMD", raising=False)
    assert run(program).strip() == best
    for wanted in levels:
        expected = min(wanted, best, key=levels.index)
        assert run(program, QSTORE_SIMD=wanted).strip() == expected
