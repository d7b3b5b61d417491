"""docs/ionq_running.md: its examples run."""

import doctest
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ionq_running.md"


@pytest.mark.slow
def test_the_examples_of_the_page_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QSTORE_IONQ_JOURNAL", str(tmp_path / "journal.sqlite"))
    for name in ("IONQ_API_URL", "IONQ_API_KEY"):  # the page sets them
        monkeypatch.setenv(name, "")
    result = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert result.attempted > 20 and result.failed == 0
