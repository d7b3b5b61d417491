"""The C++ library's own tests, and its fuzzer, under AddressSanitizer and UBSan."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from native_build import build_program


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-5000:]
    return output


@pytest.mark.slow
def test_the_unit_tests_of_the_library_pass_under_sanitizers() -> None:
    output = run(build_program("unit_tests", "lib/tests"))
    assert output.count("ok ") >= 25
    assert "FAILED" not in output


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_programs_end_in_a_clear_error_or_a_right_answer(seed: int) -> None:
    output = run(build_program("fuzz", "lib/fuzz"), seed, 20000, 600)
    counts = {key: int(value) for key, value in re.findall(r"(\w+) (\d+)", output)}
    assert counts["texts"] == 20000
    # Both ways of ending are common, or the fuzzer tests nothing.
    assert counts["refused"] > counts["texts"] // 4
    assert counts["compared"] > counts["texts"] // 4
