"""Shift rules are exact, for every gate of the table and for any frequencies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits import GATES, Phase, Rot, UnifiedCircuit, compile_circuit, reference
from qstore_tf.circuits.program import Angle, Flip
from qstore_tf.errors import ConfigurationError
from qstore_tf.gradients import frequencies, shift_rule
from qstore_tf.testing import random_circuits as rc


def test_known_rules_come_out():
    assert shift_rule(()) == ()
    np.testing.assert_allclose(shift_rule((1.0,)), [(np.pi / 2, 0.5), (-np.pi / 2, -0.5)])
    # arXiv:2104.05695, for rotations under control.
    big, small = (np.array([1, -1]) + np.sqrt(2)) / (4 * np.sqrt(2))
    want = [(1, big), (-1, -big), (3, -small), (-3, small)]
    np.testing.assert_allclose(
        shift_rule((1.0, 0.5)), [(k * np.pi / 2, weight) for k, weight in want], atol=1e-14
    )


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 6), multiples=st.booleans())
def test_rules_differentiate_sums_of_waves(seed, count, multiples):
    rng = np.random.default_rng(seed)
    gaps = np.full(count, rng.uniform(0.2, 3)) if multiples else rng.uniform(0.3, 2, count)
    waves = np.cumsum(gaps)
    a, b = rng.normal(size=(2, count))

    def value(x):
        return a @ np.cos(waves * x) + b @ np.sin(waves * x) + 0.7

    try:
        rule = shift_rule(tuple(rng.permutation(waves)))
    except ConfigurationError as error:
        assert "too close" in str(error)
        return
    x = rng.uniform(-3, 3)
    got = sum(weight * value(x + shift) for shift, weight in rule)
    exact = waves @ (b * np.cos(waves * x) - a * np.sin(waves * x))
    assert len(rule) == 2 * count
    np.testing.assert_allclose(got, exact, atol=1e-6 * (1 + sum(abs(w) for _, w in rule)))


@pytest.mark.parametrize("name", [row.name for row in GATES.values() if row.n_params])
def test_the_spectrum_of_every_gate_gives_its_rule(name):
    row = GATES[name]
    rng = np.random.default_rng(7)
    n_qubits = max(row.n_qubits, 1) + 1
    before, after = (rc.random_unitary(rng, n_qubits) for _ in range(2))
    observable = rc.random_observables(rng, n_qubits, 1)
    params = rng.uniform(-2, 2, row.n_params)

    def value(which, x):
        moved = [p if k != which else x for k, p in enumerate(params)]
        circuit = UnifiedCircuit(n_qubits).add_unitary(before, list(range(n_qubits)))
        circuit.add_gate(name, list(range(row.n_qubits)), moved)
        circuit.add_unitary(after, list(range(n_qubits)))
        return float(reference.expectation(compile_circuit(circuit), observable)[0, 0])

    for which, spectrum in enumerate(row.spectrum):
        x, h = float(params[which]), 1e-3
        ends = [value(which, x + k * h) for k in (-2, -1, 1, 2)]
        exact = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h)
        got = sum(w * value(which, x + shift) for shift, w in shift_rule(tuple(spectrum)))
        np.testing.assert_allclose(got, exact, atol=1e-8)


def test_each_primitive_has_its_frequencies():
    angle = Angle(0.0, (("t", 0, 1.0),))
    assert frequencies(Rot("X", (0,), angle)) == (1.0,)
    assert frequencies(Rot("XZ", (0, 1), angle, controls=(2,))) == (0.5, 1.0)
    assert frequencies(Phase(angle)) == ()
    assert frequencies(Phase(angle, controls=(0, 1))) == (1.0,)
    assert frequencies(Flip(0)) == ()


@pytest.mark.parametrize("bad", [(0.0,), (-1.0, 1.0), (1.0, 1.0), (float("nan"),)])
def test_what_are_no_frequencies_is_refused(bad):
    with pytest.raises(ConfigurationError, match="positive numbers, each once"):
        shift_rule(bad)
    with pytest.raises(ConfigurationError, match="Use gradient='finite_difference'"):
        shift_rule((1.0, 1.0 + 1e-13, 5.0))
