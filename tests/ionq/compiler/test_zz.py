"""Emission for ZZ: the same unitary with any numbers, legal, and by as few pulses as it takes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.blocks import decompose_blocks
from qstore_tf.ionq.compiler.conjugating import conjugate
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.zz import emit_zz
from tests.ionq.compiler.test_lowering import any_circuits
from tests.ionq.compiler.test_rotations import seeds
from tests.ionq.compiler.test_template import (
    assert_emitted,
    assert_legal,
    assert_rows_are_alone,
    at_bounds,
    huge,
    values_of,
)

SYMBOLS = ("c", "a", "b")
# Three entanglers whose angles depend on the symbols a and b.
THREE = UnifiedCircuit(2).add_gate("RZZ", [0, 1], "a").add_gate("RX", 0, "b")
THREE.add_gate("RXX", [0, 1], "1.7*a - b").add_gate("RZZ", [1, 0], "3*b")


def forms(circuit):
    """A circuit of rotations as it is lowered, and as passes leave it."""
    lowered = lower(circuit)
    return lowered, merge(decompose_blocks(conjugate(merge(lowered))))


@settings(max_examples=80, deadline=None)
@given(any_circuits(), st.booleans(), st.booleans(), st.booleans(), seeds)
def test_the_unitary_stays_with_what_is_declared(circuit, may_flip, signed, special, seed):
    values = values_of(np.random.default_rng(seed), len(SYMBOLS), special)
    for form in forms(circuit):
        template = emit_zz(form, SYMBOLS, may_flip, signed)
        assert_emitted(template, form, SYMBOLS, values, signed=signed)
        if not may_flip:
            assert not template.bind(values).flips.any()


@settings(max_examples=30, deadline=None)
@given(any_circuits(), st.booleans(), st.booleans(), seeds)
def test_a_row_of_a_batch_is_that_row_alone(circuit, may_flip, signed, seed):
    values = values_of(np.random.default_rng(seed), len(SYMBOLS), batch=7)
    assert_rows_are_alone(emit_zz(lower(circuit), SYMBOLS, may_flip, signed), values)


@settings(max_examples=30, deadline=None)
@given(any_circuits(), st.booleans())
def test_without_symbols_and_samples_there_are_numbers_too(circuit, may_flip):
    bound = circuit.bind(dict.fromkeys(circuit.parameters, 0.3))
    template = emit_zz(lower(bound), (), may_flip)
    assert template.bind(np.zeros((3, 0))).columns.shape[0] == 3
    assert template.bind(np.zeros((0, 0))).flips.shape == (0, circuit.n_qubits)


@pytest.mark.parametrize("values", [at_bounds, huge])
@pytest.mark.parametrize("signed", [True, False])
def test_numbers_are_legal_for_any_angles(values, signed):
    template = emit_zz(lower(THREE), ("a", "b"), False, signed)
    assert_legal(template, template.bind(values(2)).columns, signed)


def pulses(circuit, may_flip=False, signed=True):
    template = emit_zz(lower(circuit), circuit.parameters, may_flip, signed)
    return [gate.name for gate in template.gates if len(gate.wires) == 1]


ALONE = {
    "RX of any angle": (("RX", "a"), ["GPi2", "GPi2"]),
    "RX of a number": (("RX", 0.3), ["GPi2", "GPi2"]),
    "RY of a quarter turn": (("RY", math.pi / 2), ["GPi2"]),
    "H": (("H", None), ["GPi2"]),
    "X": (("X", None), ["GPi"]),
    "Y": (("Y", None), ["GPi"]),
    "RZ": (("RZ", "a"), []),
    "nothing": (("I", None), []),
    "U3": (("U3", ["a", "b", "c"]), ["GPi2", "GPi2"]),
}


@pytest.mark.parametrize("name", ALONE)
def test_a_gate_takes_as_few_pulses_as_its_turn_needs(name):
    (gate, parameters), expected = ALONE[name]
    assert pulses(UnifiedCircuit(1).add_gate(gate, 0, parameters)) == expected


def test_a_last_flip_is_left_to_the_outcomes_where_it_may():
    circuit = UnifiedCircuit(2).add_gate("X", 0).add_gate("RZZ", [0, 1], "a").add_gate("Y", 1)
    template = emit_zz(lower(circuit), ("a",), True)
    assert [gate.name for gate in template.gates] == ["ZZ"]
    np.testing.assert_array_equal(template.bind(np.zeros((2, 1))).flips, [[True, True]] * 2)
    assert pulses(circuit) == ["GPi", "GPi"]


def test_flips_between_entanglers_are_put_off_until_pulses_take_them_up():
    circuit = UnifiedCircuit(2).add_gate("RZZ", [0, 1], 0.3).add_gate("X", 0)
    circuit.add_gate("RZZ", [0, 1], 0.4).add_gate("RX", 0, "a")
    assert pulses(circuit) == ["GPi2", "GPi2"]


def test_turns_about_z_take_none_between_entanglers():
    circuit = UnifiedCircuit(3)
    for edge in ([0, 1], [1, 2], [0, 2]):
        circuit.add_gate("CPhase", edge, "a").add_gate("RZ", edge[0], "b")
    assert pulses(circuit) == []


def test_a_run_of_many_gates_takes_two_pulses():
    circuit = UnifiedCircuit(2).add_gate("CZ", [0, 1])
    for gate, angle in (("RX", "a"), ("RY", 0.2), ("RZ", "b"), ("RX", "c"), ("H", None)):
        circuit.add_gate(gate, 0, angle)
    assert pulses(circuit.add_gate("CZ", [0, 1])) == ["GPi2", "GPi2"]


def test_entanglers_are_zz_on_their_wires_in_their_order():
    circuit = UnifiedCircuit(3).add_gate("RXX", [2, 0], "a").add_gate("RYY", [0, 1], 0.3)
    form = lower(circuit)
    gates = [gate for gate in emit_zz(form, ("a",), False).gates if len(gate.wires) == 2]
    assert [gate.name for gate in gates] == ["ZZ", "ZZ"]
    assert [gate.wires for gate in gates] == [(0, 2), (0, 1)]
