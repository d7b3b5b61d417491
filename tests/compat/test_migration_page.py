"""docs/migration.md: its examples run, and its tables are complete and name what exists."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

from qstore_tf.compat import v1, v3_5, v4_0
from qstore_tf.compat.v3_5.config import NO_EFFECT, RENAMED

PAGE = Path(__file__).resolve().parents[2] / "docs" / "migration.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_examples_of_the_page_run(monkeypatch, tmp_path):
    monkeypatch.delenv("IONQ_BUDGET_USD", raising=False)
    monkeypatch.setenv("QSTORE_IONQ_JOURNAL", str(tmp_path / "journal.sqlite"))
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert results.attempted > 15
    assert results.failed == 0


@pytest.mark.parametrize("package", [v1, v3_5, v4_0])
def test_every_old_name_is_on_the_page(package):
    for name in package.__all__:
        assert name in TEXT, name


def test_every_key_without_effect_is_on_the_page():
    for name in [*NO_EFFECT, *RENAMED]:
        assert f"`{name}`" in TEXT, name


def test_todays_names_exist():
    names = set(re.findall(r"`(qs(?:\.\w+)+)", TEXT))
    assert len(names) > 20
    for name in names:
        found = importlib.import_module("qstore_tf")
        for part in name.split(".")[1:]:
            found = getattr(found, part)
