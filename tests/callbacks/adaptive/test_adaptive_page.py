"""docs/adaptive.md: its example runs, and its table is that of the benchmark."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "adaptive.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "benchmarks" / "results" / "adaptive.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_example_runs() -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(code) == 1
    names: dict[str, object] = {}
    exec(code[0], names)
    layer = names["model"].layers[0]  # type: ignore[attr-defined]
    assert layer.run_options.resolved.name == "tensorflow"


def test_the_numbers_of_the_page_are_those_of_the_benchmark() -> None:
    rows = [line.split(" | ") for line in PAGE.splitlines() if " ± " in line and line[0] == "|"]
    assert len(rows) >= 20
    measured = [line.split(" | ") for line in RESULTS.splitlines() if " ± " in line]
    for name, result, *others in rows:
        whole = next(row for row in measured if row[:2] == [name, result])
        assert [other.rstrip(" |") for other in others if "±" in other] == [whole[2]]
