"""Building the library: from nothing but a compiler, again only what changed, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from native_build import ROOT, build_script, compiler


def build_ext(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "setup.py", "build_ext"]
    command += ["--build-temp", str(folder / "temp"), "--build-lib", str(folder / "lib")]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"CXX": "no-such-compiler"}, "was not found"),
        ({"CXX": "false"}, "false -std=c++17"),
        ({"QSTORE_SKIP_NATIVE": "1"}, "QSTORE_SKIP_NATIVE is set"),
    ],
)
def test_without_a_working_compiler_the_build_goes_on_and_says_so(
    tmp_path: Path, environment: dict[str, str], reason: str
) -> None:
    done = build_ext(tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert "WARNING: the native op library was not built" in done.stderr
    assert reason in done.stderr
    assert "python setup.py build_ext --inplace" in done.stderr
    assert not list(tmp_path.rglob("_qstore_ops.so"))

    required = build_ext(tmp_path, QSTORE_REQUIRE_NATIVE="1", **environment)
    assert required.returncode != 0
    assert reason in required.stderr


def test_a_file_is_compiled_again_when_it_its_headers_or_its_flags_change(tmp_path: Path) -> None:
    build = build_script()
    command = compiler()
    header, source = tmp_path / "part.h", tmp_path / "part.cc"
    header.write_text("int part();\n")
    source.write_text('#include "part.h"\nint part() { return 1; }\n')
    folder = tmp_path / "objects"

    def compile_again(*flags: str) -> bool:
        time.sleep(0.02)
        target = build.compile_object(command, source, folder, list(flags))
        changed = target.stat().st_mtime_ns != times.get(target)
        times[target] = target.stat().st_mtime_ns
        return changed

    times: dict[Path, int] = {}
    assert compile_again()
    assert not compile_again()
    header.write_text("int part();  // changed\n")
    assert compile_again()
    source.write_text('#include "part.h"\nint part() { return 2; }\n')
    assert compile_again()
    assert compile_again("-O1")
    assert not compile_again("-O1")


def test_a_compiler_error_is_shown_and_leaves_nothing_behind(tmp_path: Path) -> None:
    build = build_script()
    source = tmp_path / "bad.cc"
    source.write_text("int part() { return missing; }\n")
    for _ in range(2):
        with pytest.raises(build.BuildError, match="missing"):
            build.compile_object(compiler(), source, tmp_path / "objects", [])


def test_isa_flags_go_to_the_files_that_are_named_for_them_and_to_no_others() -> None:
    build = build_script()
    for name, flag, expected in [
        ("engine_avx2.cc", "-mavx2", True),
        ("engine_avx512.cc", "-mavx512f", True),
        ("engine_avx2.cc", "-mavx512f", False),
        ("engine_base.cc", "-mavx2", False),
        ("program.cc", "-mavx2", False),
    ]:
        assert (flag in build.flags_for(Path(name), "0")) == expected
    assert "-ffast-math" not in build.COMPILE_FLAGS  # NaN must flow


def test_tests_and_fuzzers_are_no_part_of_the_library() -> None:
    folders = {path.parent.name for path in build_script().sources()}
    assert {"lib", "fast", "ops", "kernels"} <= folders
    assert not folders & {"tests", "fuzz"}


@pytest.mark.parametrize(
    ("text", "target", "x86"),
    [
        ("manylinux_2_27_x86_64", "x86_64-linux-gnu.2.27", True),
        ("manylinux_2_28_aarch64", "aarch64-linux-gnu.2.28", False),
    ],
)
def test_a_platform_names_the_target_the_tag_and_the_files(
    monkeypatch: pytest.MonkeyPatch, text: str, target: str, x86: bool
) -> None:
    build = build_script()
    monkeypatch.setenv("QSTORE_ZIG", "zig")
    monkeypatch.setenv("QSTORE_PLATFORM", text)
    monkeypatch.setenv("CXX", "g++")  # for this machine
    assert build.find_compiler() == ["zig", "c++", "-target", target]
    assert build.cross_platform().tag == text
    assert any(path.name == "engine_avx2.cc" for path in build.sources()) == x86


@pytest.mark.parametrize("text", ["manylinux2014_x86_64", "linux_aarch64", "manylinux_2_27_mips"])
def test_a_platform_that_cannot_be_built_for_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("QSTORE_PLATFORM", text)
    with pytest.raises(build_script().BuildError, match=f"manylinux_2_27_x86_64.*{text}"):
        build_script().find_compiler()
