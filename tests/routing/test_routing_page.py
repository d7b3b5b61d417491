"""docs/routing.md: its examples run, and its tables are what the code says."""

import doctest
import re
from pathlib import Path

import pytest

from qstore_tf.routing import limits
from qstore_tf.routing.router import Router
from qstore_tf.routing.scores import NAMES, WEIGHTS, Numbers, scores

PAGE = Path(__file__).resolve().parents[2] / "docs" / "routing.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_examples_run() -> None:
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 5 and found.failed == 0


@pytest.mark.parametrize("priority", WEIGHTS)
def test_the_weights_are_those_of_the_code(priority: str) -> None:
    (row,) = re.findall(rf'^\| `"{priority}"` \|(.*)\|$', TEXT, re.M)
    shown = [float(cell) for cell in row.split("|")]
    assert shown == [getattr(WEIGHTS[priority], name) for name in NAMES]


def test_every_limit_is_in_the_table() -> None:
    for name in (*limits.FIXED, "memory", "precision", "budget", "health"):
        assert re.search(rf"^\| {name} \| ", TEXT, re.M), name


def test_halves_and_margins_are_as_the_page_says() -> None:
    half = scores(Numbers(999.0, price=1.0, wait_s=60.0))
    assert (half.speed, half.cost, half.queue) == pytest.approx((0.5, 0.5, 0.5), abs=1e-3)
    margin = Router(["tensorflow"]).margin
    for priority, factor in (("speed", 1.7), ("balanced", 2.5)):
        assert 10 ** (6 * margin / WEIGHTS[priority].speed) == pytest.approx(factor, abs=0.05)
