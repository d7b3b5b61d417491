"""The examples of docs/gradients.md run, and it names every method."""

import doctest
from pathlib import Path

from qstore_tf import gradients

PAGE = Path(__file__).resolve().parents[2] / "docs" / "gradients.md"


def test_the_examples_of_the_page_run():
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert results.attempted > 0
    assert results.failed == 0


def test_the_page_has_every_method():
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in gradients.METHODS if f"| `{name}`" not in text] == []
