"""docs/backends.md: its examples run, and its tables are what the code says."""

import doctest
import re
from pathlib import Path

import pytest

from qstore_tf import backends
from qstore_tf.backends import automatic, recommending
from qstore_tf.backends.base import Backend
from qstore_tf.backends.registry import EXTRAS
from qstore_tf.backends.simulators import Lightning, Qulacs
from qstore_tf.backends.tfq import Tfq
from qstore_tf.errors import ConfigurationError
from qstore_tf.testing.random_circuits import random_program

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "backends.md"
FIGURES = ROOT / "benchmarks" / "results" / "backends.md"
# Classes, so that none of the extras has to be installed.
CLASSES: tuple[type[Backend], ...] = (
    backends.Native,
    backends.TensorFlow,
    backends.Qsim,
    Tfq,
    Lightning,
    Qulacs,
    backends.IonQ,
)


def table(first: str) -> list[list[str]]:
    """The rows of the table whose first head is `first`, without the head."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_the_examples_of_the_page_run():
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert results.attempted > 0
    assert results.failed == 0


def test_the_page_has_every_backend():
    names = [row[0].strip("`") for row in table("Backend")]
    assert names == [cls.name for cls in CLASSES]
    assert {*names, "local_cpu", "ionq_simulator"} == set(backends.available())


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.name)
def test_the_table_says_what_a_backend_can_do(cls):
    row = next(row for row in table("Backend") if row[0] == f"`{cls.name}`")
    can = cls.capabilities
    assert row[2] == ", ".join(can.dtypes)
    yes = {True: "yes", False: "no"}
    assert row[3:7] == [yes[b] for b in (can.adjoint, can.state_vector, can.samples, can.xla)]
    assert (f"'qstore-tf[{cls.name}]'" in row[1]) == (cls.name in EXTRAS)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.name)
def test_the_table_says_which_start_from_given_amplitudes(cls):
    row = next(row for row in table("Backend") if row[0] == f"`{cls.name}`")
    program = random_program(0, 2, 3, n_inputs=1, n_theta=1, has_initial=True)
    try:
        kind = getattr(cls, "kind", cls)
        kind.check(object.__new__(kind), program)
    except ConfigurationError:
        assert row[7] == "no"
    else:
        assert row[7] == "yes"


def test_the_table_of_recommendations_is_what_is_recommended():
    rows = {row[0].strip("`"): row[1:] for row in table("Workload")}
    assert list(rows) == list(recommending.KINDS)
    for workload, (expectations, gradient) in rows.items():
        advice = backends.recommend(workload)
        assert expectations == ("exact" if advice.shots is None else f"from {advice.shots} shots")
        assert gradient == f"`{advice.gradient}`"


def test_the_rule_on_the_page_is_the_rule():
    text = PAGE.read_text(encoding="utf-8")
    numbered = re.findall(r"^\d\. `(\w+)`", text, re.MULTILINE)
    assert numbered == [rule.choice.backend for rule in automatic.RULES]


def test_the_rule_follows_from_the_figures_that_the_page_links_to():
    """Every measured row, read back: the fastest is what the rule chooses."""
    assert "(../benchmarks/results/backends.md)" in PAGE.read_text(encoding="utf-8")
    block = re.search(r"```text\n(.*?)```", FIGURES.read_text(encoding="utf-8"), re.DOTALL)[1]
    names, rows = [], 0
    for line in block.splitlines():
        words = line.split()
        if words[:3] == ["qubits", "depth", "batch"]:
            names = words[3:]
        elif words and words[0].isdecimal() and len(words) > 3 and words[1].isdecimal():
            figures = dict(zip(names, words[3 : 3 + len(names)], strict=True))
            seconds = {name: float(value) for name, value in figures.items() if value != "-"}
            assert automatic.choose(usable=seconds).backend == min(seconds, key=seconds.get)
            rows += 1
    assert rows > 60
