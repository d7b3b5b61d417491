"""The table behind `qstore bench --auto`: what is measured, left out and concluded."""

import json

import pytest

from qstore_tf.ops import library
from qstore_tf.training import crossovers
from qstore_tf.training.crossovers import Case, Grid, Row

SMALL = Grid(qubits=(2, 3), depths=(1,), batches=(1, 4))


def row(n_qubits=4, batch=1, gradient=True, shots=None, **seconds):
    return Row(Case(n_qubits, 2, batch, gradient, shots), seconds)


@pytest.fixture
def timed(monkeypatch):
    """Replaces running by a table of seconds; returns what would have run."""
    ran = []

    def loop(name, case):
        ran.append((name, case))
        return lambda runs: None

    monkeypatch.setattr(crossovers, "_loop", loop)
    monkeypatch.setattr(crossovers, "_warm_up", lambda *rest: None)
    monkeypatch.setattr(crossovers, "_seconds_of", lambda do, seconds: ran[-1][1].work * 1e-6)
    return ran


def test_every_combination_is_measured_once_small_ones_first(timed):
    rows = list(crossovers.measure(["native", "tensorflow"], SMALL))
    assert len(rows) == 2 * 2 * len(crossovers.PARTS) == len({r.case for r in rows})
    assert all(set(r.seconds) == {"native", "tensorflow"} and not r.missing for r in rows)
    assert [r.case.n_qubits for r in rows[:4]] == [2, 2, 3, 3]


def test_what_would_take_too_long_is_not_run_and_says_so(timed):
    grid = Grid(qubits=(4, 8, 12), depths=(1,), batches=(1, 32), parts=((True, None),))
    rows = list(crossovers.measure(["native"], grid, longest=0.01))
    for measured in rows:
        assert ("native" in measured.missing) == (measured.case.work * 1e-6 > 0.01)
    assert "more than 0.01 s" in rows[-1].missing["native"]
    assert len(timed) == sum(bool(measured.seconds) for measured in rows)


def test_nothing_is_begun_after_the_budget(timed):
    rows = list(crossovers.measure(["native"], SMALL, budget=1e-9))
    assert not timed
    assert {r.missing["native"] for r in rows} == {"the budget was spent"}


@pytest.mark.slow
def test_a_backend_that_fails_leaves_the_others():
    rows = list(crossovers.measure(["tensorflow", "nowhere"], SMALL, seconds=1e-4))
    assert all(r.seconds["tensorflow"] > 0 for r in rows)
    assert all("nowhere" not in r.seconds for r in rows)
    assert "no backend 'nowhere'" in rows[0].missing["nowhere"]
    assert "Figures that are not there" in crossovers.summary(rows)[0]


def test_the_summary_says_that_the_rule_agrees():
    lines = crossovers.summary([row(native=1.0, tensorflow=2.0)] * 3)
    assert "native is the fastest in 3 of 3 rows that compare." in lines
    assert any("backend='auto' takes" in line and "3 of 3" in line for line in lines)
    assert not any("changes" in line for line in lines)


def test_the_summary_names_crossovers_and_rows_where_the_rule_loses():
    rows = [row(4, native=1.0, tensorflow=2.0), row(8, native=1.0, tensorflow=2.0)]
    rows += [row(12, native=6.0, tensorflow=2.0)]
    text = "\n".join(crossovers.summary(rows))
    assert "depth 2, batch 1: native up to 8 qubits, tensorflow from 12" in text
    assert "2 of 3 rows" in text
    assert (
        "12 qubits, depth 2, batch 1, exact expectations with gradient: native takes 3 times"
        in text
    )


def test_what_is_nearly_as_fast_counts_as_agreement():
    (line,) = [
        line
        for line in crossovers.summary([row(native=1.2, tensorflow=1.0)])
        if "backend='auto'" in line
    ]
    assert "1 of 1" in line


def test_the_summary_also_tells_what_it_is_without_the_library():
    lines = crossovers.summary([row(native=1.0, tensorflow=9.0, qsim=3.0)])
    at = next(i for i, line in enumerate(lines) if line.startswith("Where native cannot"))
    assert "0 of 1" in lines[at]
    assert "tensorflow takes 3 times as long, qsim is the fastest" in lines[at + 1]


def test_rows_are_told_as_text_and_as_data():
    measured = row(native=0.001, tensorflow=0.25, batch=32)
    names = ["native", "tensorflow", "qsim"]
    assert " ".join(crossovers.line(measured, names).split()) == "4 2 32 1 250 - native, 250 x"
    assert crossovers.line(row(native=12.3456), names).split()[3] == "12346"
    assert crossovers.head(names).split()[3:] == names
    data = json.loads(json.dumps(measured.as_dict()))
    assert data["auto"] == "native" and data["seconds"]["tensorflow"] == 0.25
    assert data["batch"] == 32 and data["shots"] is None


def test_what_is_measurable_here_is_what_is_available():
    names = crossovers.measurable()
    assert {"tensorflow", "qsim"} <= set(names) and "local_cpu" not in names
    assert ("native" in names) == library.available()
    facts = crossovers.machine(names, threads=2)
    assert facts["threads"] == 2 and facts["tensorflow"] and facts["qsimcirq"]
