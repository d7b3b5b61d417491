"""Entanglers of the angles that are wanted: nothing else changes, or by no more than allowed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.conjugating import is_quarter
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.narrowing import drop_small, limit_partial
from qstore_tf.testing.random_circuits import circuits
from tests.ionq.compiler.test_lowering import any_circuits, wanted
from tests.ionq.compiler.test_rotations import assert_same_up_to_phase, entanglers, unitary


@settings(max_examples=80, deadline=None)
@given(any_circuits(max_gates=12), st.sampled_from([0.0, 0.01, 0.1, 0.2]))
def test_the_unitary_stays_without_partial_entanglers_that_are_too_large(circuit, most):
    limited = limit_partial(merge(lower(circuit)), most)
    assert_same_up_to_phase(unitary(limited), wanted(circuit))
    for rotation in limited.rotations:
        if rotation.is_entangling and not is_quarter(rotation):
            assert not rotation.angle.terms
            assert abs(rotation.angle.constant) <= most * 2 * math.pi


def test_full_entanglers_and_small_ones_stay_as_they_are():
    circuit = UnifiedCircuit(2).add_gate("CX", [0, 1]).add_gate("RYY", [0, 1], 0.3)
    lowered = lower(circuit.add_gate("RX", 0, "a"))
    assert limit_partial(lowered, 0.05).rotations == lowered.rotations


@pytest.mark.parametrize("angle", [0.5, -0.5, "a"])
def test_others_become_a_turn_between_two_full_ones(angle):
    limited = limit_partial(lower(UnifiedCircuit(2).add_gate("RXX", [0, 1], angle)), 0.05)
    assert [rotation.is_entangling for rotation in limited.rotations] == [True, False, True]


def infidelity(found, expected):
    overlap = np.trace(found.conj().T @ expected)
    return 1 - abs(overlap) ** 2 / len(expected) ** 2


@settings(max_examples=80, deadline=None)
@given(
    circuits(max_qubits=4, max_gates=20, gates=["RZZ", "RXX", "RX", "H", "CX"], min_qubits=2),
    st.floats(-5, -0.5),
    st.floats(-3, 0),
)
def test_leaving_out_small_entanglers_costs_no_more_than_allowed(circuit, exponent, scale):
    # Most angles are made small, so that some go.
    form = lower(circuit)
    form.rotations = [r._replace(angle=r.angle * 10**scale) for r in form.rotations]
    allowed = 10**exponent
    shorter = drop_small(form, allowed)
    exact, found = unitary(form), unitary(shorter)
    assert infidelity(found, exact) <= allowed + 1e-12
    states = abs((found.conj() * exact).sum(axis=0)) ** 2
    assert (1 - states <= allowed + 1e-12).all()


def test_the_smallest_go_first_and_symbols_stay():
    circuit = UnifiedCircuit(3).add_gate("RZZ", [0, 1], 0.01).add_gate("RXX", [1, 2], 0.02)
    circuit.add_gate("RYY", [0, 2], "a").add_gate("RX", 0, 0.001).add_gate("RZZ", [0, 1], 1.0)
    form = lower(circuit)

    def left(allowed):
        return [rotation.letters for rotation in drop_small(form, allowed).rotations]

    assert left(1e-8) == ["ZZ", "XX", "YY", "X", "ZZ"]
    assert left(1e-4) == ["XX", "YY", "X", "ZZ"]
    assert left(1e-3) == ["YY", "X", "ZZ"]
    assert left(1.0) == ["YY", "X"]


def test_nothing_goes_where_nothing_may_be_lost():
    form = lower(UnifiedCircuit(2).add_gate("RZZ", [0, 1], 1e-6))
    assert drop_small(form, 0.0).rotations == form.rotations


@pytest.mark.parametrize("narrow", [lambda c: limit_partial(c, 0.0), lambda c: drop_small(c, 0.5)])
def test_the_circuit_given_is_not_changed(narrow):
    form = lower(UnifiedCircuit(2).add_gate("SWAP", [0, 1]).add_gate("RZZ", [0, 1], 0.1))
    before, frames = list(form.rotations), list(form.frames)
    assert narrow(form).wires == form.wires == [1, 0]
    assert (form.rotations, form.frames) == (before, frames)
    assert entanglers(form) == 1
