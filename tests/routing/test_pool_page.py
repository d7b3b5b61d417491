"""docs/pool.md: its examples run, and what it says is what the code does."""

import doctest
from pathlib import Path

from qstore_tf.routing.blocks import BLOCKS
from qstore_tf.routing.pool import Pool

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pool.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_examples_run() -> None:
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted >= 4 and found.failed == 0


def test_names_and_numbers_are_those_of_the_code() -> None:
    assert f"at most {BLOCKS} a batch" in " ".join(TEXT.split())
    for name in Pool(["native"]).statistics()["native"]:
        assert f"`{name}`" in TEXT
