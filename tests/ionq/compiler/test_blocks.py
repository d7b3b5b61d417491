"""Runs on one pair of wires are written anew, as short as they can be."""

import math

import numpy as np
import pytest
from hypothesis import given, settings

from benchmarks.ionq_circuits import bound_ansatz
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler import weyl
from qstore_tf.ionq.compiler.blocks import decompose_blocks, matrix_of
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_circuit, random_unitary
from tests.ionq.compiler.test_lowering import any_circuits, wanted
from tests.ionq.compiler.test_rotations import (
    assert_same_up_to_phase,
    entanglers,
    rotated,
    unitary,
)

PAIR = ("H", "T", "RX", "RZ", "CX", "CZ", "RXX", "CRY", "ISWAP", "SX")


@pytest.fixture
def rng():
    return np.random.default_rng([daily_seed(), 42])


def total(circuit):
    """The sum of the entangling angles."""
    return sum(abs(r.angle.constant) for r in circuit.rotations if r.is_entangling)


@settings(max_examples=100, deadline=None)
@given(any_circuits(max_gates=16))
def test_the_unitary_stays_and_entanglers_become_no_more(circuit):
    for form in (lower(circuit), merge(lower(circuit))):
        new = decompose_blocks(form)
        assert_same_up_to_phase(unitary(new), wanted(circuit), 1e-8)
        assert entanglers(new) <= entanglers(form)
        assert total(new) <= total(form) + 1e-9 or entanglers(new) < entanglers(form)


@settings(max_examples=60, deadline=None)
@given(any_circuits(max_gates=16), any_circuits(max_gates=16))
def test_what_was_found_before_is_found_again(circuit, other):
    forms = {}
    for form in (merge(lower(circuit)), merge(lower(other))):
        for how in ({}, {"from_zero": True}, {"measured": True}):
            alone = decompose_blocks(form, **how)
            assert decompose_blocks(form, forms, **how) == alone
            known = len(forms)
            assert decompose_blocks(form, forms, **how) == alone
            assert len(forms) == known


def test_a_circuit_of_which_nothing_can_be_shorter_comes_back():
    form = merge(lower(bound_ansatz(5, 3, daily_seed())))
    assert decompose_blocks(form) is form


@settings(max_examples=60, deadline=None)
@given(any_circuits(max_gates=16))
def test_from_zero_the_state_stays(circuit):
    form = merge(lower(circuit))
    new = decompose_blocks(form, from_zero=True)
    assert_same_up_to_phase(unitary(new)[:, 0], wanted(circuit)[:, 0], 1e-8)
    assert entanglers(new) <= entanglers(form)


@settings(max_examples=60, deadline=None)
@given(any_circuits(max_gates=16))
def test_before_a_measurement_all_probabilities_stay(circuit):
    form = merge(lower(circuit))
    new = decompose_blocks(form, measured=True)
    np.testing.assert_allclose(abs(unitary(new)), abs(wanted(circuit)), atol=1e-7)
    assert entanglers(new) <= entanglers(form)


def test_any_run_on_two_wires_takes_as_few_and_as_small_entanglers_as_there_are(rng):
    for _ in range(40):
        circuit = random_circuit(rng, 2, 15, gates=PAIR)
        matrix = circuit.unitary()
        new = decompose_blocks(lower(circuit))
        least = weyl.decompose(matrix)
        assert entanglers(new) == least.count
        assert total(new) <= least.total + 1e-6
        prepared = decompose_blocks(lower(circuit), from_zero=True)
        assert entanglers(prepared) == weyl.prepare(matrix[:, 0]).count
        measured = decompose_blocks(lower(circuit), measured=True)
        assert entanglers(measured) <= weyl.up_to_diagonal(matrix).count


def test_runs_are_found_among_gates_on_other_wires(rng):
    circuit = UnifiedCircuit(4)
    for _ in range(4):
        for pair in ([0, 1], [2, 3]):
            circuit.add_gate("RX", pair[0], rng.uniform(0, 1)).add_gate("CX", pair)
            circuit.add_gate("RY", pair[1], rng.uniform(0, 1))
    new = decompose_blocks(lower(circuit))
    assert entanglers(new) <= 6
    assert_same_up_to_phase(unitary(new), circuit.unitary())


def test_a_symbol_ends_a_run_on_its_wires(rng):
    def new(angle):
        circuit = UnifiedCircuit(3).add_unitary(random_unitary(rng, 2), [0, 1])
        circuit.add_gate("RX", 0, angle).add_unitary(random_unitary(rng, 2), [0, 1])
        made = decompose_blocks(lower(circuit))
        assert_same_up_to_phase(unitary(made), wanted(circuit), 1e-8)
        return entanglers(made)

    assert new(0.4) == 3
    assert new("a") == 6


def test_a_symbol_on_another_wire_ends_none(rng):
    circuit = UnifiedCircuit(3).add_unitary(random_unitary(rng, 2), [0, 1])
    circuit.add_gate("RX", 2, "a").add_unitary(random_unitary(rng, 2), [0, 1])
    assert entanglers(decompose_blocks(lower(circuit))) == 3


def test_rotations_that_are_as_few_and_small_as_can_be_stay_as_they_are():
    circuit = UnifiedCircuit(2).add_gate("RXX", [0, 1], 0.3).add_gate("RYY", [0, 1], 0.2)
    circuit.add_gate("RZZ", [0, 1], -0.1)
    lowered = lower(circuit)
    assert decompose_blocks(lowered).rotations == lowered.rotations


def test_a_state_of_two_qubits_takes_one_entangler_and_is_measured_without_phases(rng):
    circuit = UnifiedCircuit(2).add_unitary(random_unitary(rng, 2), [0, 1])
    lowered = lower(circuit)
    assert entanglers(lowered) == 3
    assert entanglers(decompose_blocks(lowered, from_zero=True)) == 1
    assert entanglers(decompose_blocks(lowered, measured=True)) == 2


def test_only_the_first_run_begins_at_zero_and_only_the_last_is_measured(rng):
    circuit = UnifiedCircuit(3)
    for pair in ([0, 1], [1, 2], [0, 1]):
        circuit.add_unitary(random_unitary(rng, 2), pair)
    new = decompose_blocks(lower(circuit), from_zero=True, measured=True)
    assert entanglers(new) == 1 + 2 + 2
    matrix = circuit.unitary()
    np.testing.assert_allclose(abs(unitary(new)[:, 0]), abs(matrix[:, 0]), atol=1e-8)


def test_the_matrix_of_a_run_is_that_of_its_rotations(rng):
    circuit = lower(random_circuit(rng, 3, 12, gates=["RX", "RZZ", "RY", "RXX"]))
    run = [r for r in circuit.rotations if set(r.wires) <= {0, 2}]
    expected = np.eye(8, dtype=np.complex128)
    for wires, letters, angle in run:
        expected = rotated(expected, wires, letters, angle.constant)
    # Wire 1 stays as it is.
    expected = expected.reshape(2, 2, 2, 2, 2, 2)[:, 0, :, :, 0].reshape(4, 4)
    np.testing.assert_allclose(matrix_of(run, (0, 2)), expected, atol=1e-12)


def test_the_circuit_given_is_not_changed(rng):
    lowered = lower(random_circuit(rng, 2, 12, gates=PAIR))
    before, frames = list(lowered.rotations), list(lowered.frames)
    decompose_blocks(lowered, from_zero=True, measured=True)
    assert lowered.rotations == before
    assert lowered.frames == frames


def test_nearly_full_and_nearly_empty_runs_stay_exact():
    for off in (1e-3, 1e-6, 1e-8):
        circuit = UnifiedCircuit(2).add_gate("RXX", [0, 1], math.pi / 2 - off)
        circuit.add_gate("RY", 0, off).add_gate("RXX", [0, 1], -math.pi / 2 + off)
        circuit.add_gate("RY", 1, 1.0).add_gate("RZZ", [0, 1], off)
        new = decompose_blocks(lower(circuit))
        assert_same_up_to_phase(unitary(new), circuit.unitary(), 1e-8)


def test_a_run_before_which_one_wire_is_zero_takes_two_entanglers(rng):
    for pair in ([0, 1], [1, 0], [1, 2], [2, 1]):
        circuit = UnifiedCircuit(3).add_gate("RX", 1, "a").add_unitary(random_unitary(rng, 2), pair)
        new = decompose_blocks(lower(circuit), from_zero=True)
        assert entanglers(new) == 2
        assert_same_up_to_phase(unitary(new)[:, 0], wanted(circuit)[:, 0], 1e-8)


@settings(max_examples=60, deadline=None)
@given(any_circuits(max_gates=16))
def test_runs_of_as_many_entanglers_stay_where_only_fewer_count(circuit):
    form = merge(lower(circuit))
    for begins in (False, True):
        new = decompose_blocks(form, from_zero=begins, only_fewer=True)
        assert entanglers(new) <= entanglers(form)
        if entanglers(new) == entanglers(form):
            assert sorted(map(str, new.rotations)) == sorted(map(str, form.rotations))
        assert_same_up_to_phase(unitary(new)[:, 0], wanted(circuit)[:, 0], 1e-8)


def test_a_run_of_as_many_entanglers_by_smaller_angles_may_stay():
    circuit = UnifiedCircuit(2).add_gate("RX", 0, 0.3).add_gate("RX", 1, 0.4)
    form = lower(circuit.add_gate("RZZ", [0, 1], 0.5))
    stays = decompose_blocks(form, from_zero=True, only_fewer=True)
    assert total(stays) == total(form)
    assert total(decompose_blocks(form, from_zero=True)) < total(form)
