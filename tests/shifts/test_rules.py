"""Shift rules are exact, for every gate of the table and for any frequencies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits import GATES, Phase, Rot, UnifiedCircuit, compile_circuit, reference
from qstore_tf.circuits.primitives import Angle, Flip
from qstore_tf.errors import ConfigurationError
from qstore_tf.shifts import shift_rule, unroll
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
def test_the_rules_of_its_primitives_differentiate_every_gate(name):
    row = GATES[name]
    rng = np.random.default_rng(7)
    n_qubits = max(row.n_qubits, 1) + 1
    before, after = (rc.random_unitary(rng, n_qubits) for _ in range(2))
    observable = rc.random_observables(rng, n_qubits, 1)
    names = [f"p{k}" for k in range(row.n_params)]
    circuit = UnifiedCircuit(n_qubits).add_unitary(before, list(range(n_qubits)))
    circuit.add_gate(name, list(range(row.n_qubits)), names)
    program = compile_circuit(circuit.add_unitary(after, list(range(n_qubits))))
    unrolled = unroll(program)
    theta = rng.uniform(-2, 2, row.n_params)
    angles = np.array([line.angle.evaluate([], theta) for line in unrolled.columns])

    def value(column, shift):
        moved = angles + shift * np.eye(len(angles))[column]
        return float(reference.expectation(unrolled.program, observable, moved[None])[0, 0])

    got = np.zeros(row.n_params)
    for column, gate in enumerate(unrolled.gates):
        slope = sum(weight * value(column, shift) for shift, weight in shift_rule(gate.frequencies))
        for _, slot, coefficient in unrolled.columns[column].angle.terms:
            got[slot] += coefficient * slope
    for k, step in enumerate(1e-3 * np.eye(row.n_params)):
        ends = [
            float(reference.expectation(program, observable, theta=theta + j * step)[0, 0])
            for j in (-2, -1, 1, 2)
        ]
        exact = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * 1e-3)
        np.testing.assert_allclose(got[k], exact, atol=1e-8)


def test_each_primitive_has_its_frequencies():
    angle = Angle(0.0, (("t", 0, 1.0),))
    assert Rot("X", (0,), angle).frequencies == (1.0,)
    assert Rot("XZ", (0, 1), angle, controls=(2,)).frequencies == (0.5, 1.0)
    assert Phase(angle).frequencies == ()
    assert Phase(angle, controls=(0, 1)).frequencies == (1.0,)
    assert Flip(0).frequencies == ()


@pytest.mark.parametrize("bad", [(0.0,), (-1.0, 1.0), (1.0, 1.0), (float("nan"),)])
def test_what_are_no_frequencies_is_refused(bad):
    with pytest.raises(ConfigurationError, match="positive numbers, each once"):
        shift_rule(bad)
    with pytest.raises(ConfigurationError, match="Use gradient='finite_difference'"):
        shift_rule((1.0, 1.0 + 1e-13, 5.0))
