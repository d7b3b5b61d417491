"""The examples of docs/optimizers.md run, and it names every optimizer."""

import doctest
from pathlib import Path

import pytest

from qstore_tf import optimizers
from qstore_tf.optimizers.base import QuantumOptimizer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "optimizers.md"


@pytest.mark.slow
def test_the_examples_of_the_page_run():
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert results.attempted > 0
    assert results.failed == 0


def test_the_page_has_every_optimizer():
    text = PAGE.read_text(encoding="utf-8")
    public = (getattr(optimizers, name) for name in dir(optimizers) if name[0].isupper())
    names = [each.__name__ for each in public if issubclass(each, QuantumOptimizer)]
    assert names and [name for name in names if f"| `{name}`" not in text] == []
