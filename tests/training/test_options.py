"""Options of a training run: all checked without TensorFlow."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.errors import QstoreError
from qstore_tf.training.options import CircuitOptions, TrainOptions, observable_strings

GOOD = TrainOptions()


def test_the_defaults_are_accepted() -> None:
    GOOD.check()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (replace(GOOD, data="digit"), "Did you mean 'digits'"),
        (replace(GOOD, circuit=CircuitOptions(qubits=0)), "--qubits"),
        (replace(GOOD, circuit=CircuitOptions(qubits=40)), "--qubits"),
        (replace(GOOD, circuit=CircuitOptions(depth=-1)), "--depth"),
        (replace(GOOD, circuit=CircuitOptions(entanglement="liner")), "Did you mean 'linear'"),
        (replace(GOOD, circuit=CircuitOptions(encoding="angel")), "Did you mean 'angle'"),
        (replace(GOOD, circuit=CircuitOptions(ansatz="hardware")), "hardware_efficient"),
        (replace(GOOD, observables=" , "), "nothing to measure"),
        (replace(GOOD, observables="ZZ!"), "(?i)pauli"),
        (replace(GOOD, observables="ZZI"), "(?i)6"),
        (replace(GOOD, epochs=0), "--epochs"),
        (replace(GOOD, batch_size=0), "--batch"),
        (replace(GOOD, learning_rate=0.0), "--learning-rate"),
        (replace(GOOD, learning_rate=float("nan")), "--learning-rate"),
        (replace(GOOD, seed=-1), "--seed"),
        (replace(GOOD, model_dir=__file__), "--model-dir"),
        (replace(GOOD, log_dir=__file__), "--log-dir"),
    ],
)
def test_each_bad_option_is_named(bad: TrainOptions, words: str) -> None:
    with pytest.raises(QstoreError, match=words):
        bad.check()


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 8))
def test_z_and_zz_measure_each_qubit_and_each_pair_once(n: int) -> None:
    strings = observable_strings("z+zz", n)
    assert len(strings) == len(set(strings)) == n + n * (n - 1) // 2
    assert all(len(s) == n and s.count("Z") in (1, 2) for s in strings)
    assert observable_strings("zz,z", n) == strings[n:] + strings[:n]


def test_pauli_strings_pass_through_in_either_case() -> None:
    assert observable_strings("xyz, zII", 3) == ["XYZ", "ZII"]


def test_one_qubit_has_no_pair_to_measure() -> None:
    with pytest.raises(QstoreError, match="two qubits"):
        observable_strings("zz", 1)


def test_folders_are_those_asked_for_or_named_after_data_and_time() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5)
    model, logs = replace(GOOD, data="some/where/iris.csv").folders(now)
    assert (model, logs) == (Path("runs/iris-20260102-030405"), model / "logs")
    assert replace(GOOD, model_dir="m", log_dir="l").folders(now) == (Path("m"), Path("l"))
    assert replace(GOOD, model_dir="m").folders(now) == (Path("m"), Path("m/logs"))


def test_a_number_of_epochs_wins_over_the_default_of_the_data() -> None:
    assert replace(GOOD, epochs=7).resolved_epochs == 7
    assert GOOD.resolved_epochs > replace(GOOD, data="fashion_mnist").resolved_epochs
    assert replace(GOOD, data="a.csv").resolved_epochs > 0
