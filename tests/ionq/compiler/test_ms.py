"""Emission for MS: the same unitary with any numbers, legal, and by few pulses."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.ms import emit_ms
from qstore_tf.ionq.compiler.narrowing import limit_partial
from tests.ionq.compiler.test_lowering import any_circuits
from tests.ionq.compiler.test_rotations import seeds
from tests.ionq.compiler.test_template import (
    SPECIAL,
    assert_emitted,
    assert_legal,
    assert_rows_are_alone,
    at_bounds,
    huge,
    values_of,
)
from tests.ionq.compiler.test_zz import SYMBOLS, THREE, forms

# Also where axes coincide that differ for other values. Axes within 1e-10 are taken for equal.
ACCURACY = 1e-9


@settings(max_examples=80, deadline=None)
@given(any_circuits(), st.booleans(), seeds)
def test_the_unitary_stays_with_what_is_declared(circuit, may_flip, seed):
    values = values_of(np.random.default_rng(seed), len(SYMBOLS))
    for form in forms(circuit):
        template = emit_ms(form, SYMBOLS, may_flip)
        assert_emitted(template, form, SYMBOLS, values, ACCURACY)
        if not may_flip:
            assert not template.bind(values).flips.any()


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(any_circuits(), st.booleans(), seeds)
def test_it_stays_where_axes_coincide_or_are_upside_down(circuit, may_flip, seed):
    values = values_of(np.random.default_rng(seed), len(SYMBOLS), special=True)
    for form in forms(circuit):
        assert_emitted(emit_ms(form, SYMBOLS, may_flip), form, SYMBOLS, values, ACCURACY)


def chain(n_entanglers, letters="X"):
    """Entanglers of one pair with turns between them, which coincide where a turn is none."""
    circuit = UnifiedCircuit(2)
    for k in range(n_entanglers):
        if k:
            circuit.add_gate(f"R{letters[k % len(letters)]}", 0, SYMBOLS[k % 3])
        circuit.add_gate("RZZ", [0, 1], 0.3 + 0.1 * k)
    return circuit


@pytest.mark.parametrize("letters", ["X", "XY", "Y"])
@pytest.mark.parametrize("n_entanglers", [2, 3, 4])
@pytest.mark.parametrize("may_flip", [True, False])
def test_any_turn_between_entanglers_may_vanish_or_be_a_half_turn(letters, n_entanglers, may_flip):
    form = lower(chain(n_entanglers, letters))
    usual = np.array([0.7, -0.4, 1.9])
    values = np.concatenate(
        [np.where(np.arange(3) == k, angle, usual)[None] for k in range(3) for angle in SPECIAL]
        + [np.where(np.arange(3) == k, usual, angle)[None] for k in range(3) for angle in SPECIAL]
    )
    assert_emitted(emit_ms(form, SYMBOLS, may_flip), form, SYMBOLS, values, ACCURACY)


@pytest.mark.parametrize("exponent", range(1, 11))
@pytest.mark.parametrize("may_flip", [True, False])
def test_small_turns_are_not_lost(exponent, may_flip):
    small = 10.0**-exponent
    for gate, entangler in itertools.product(("RX", "RY", "RZ"), ("RZZ", "RXX", "RYY")):
        circuit = UnifiedCircuit(2).add_gate("RX", 1, 1.1)
        for _ in range(2):
            circuit.add_gate(entangler, [0, 1], 0.7).add_gate(gate, 0, small)
        form = lower(circuit)
        assert_emitted(emit_ms(form, (), may_flip), form, (), np.zeros((1, 0)), ACCURACY)


@pytest.mark.parametrize("may_flip", [True, False])
def test_axes_that_are_nearly_the_same_for_all_values_do_no_harm(may_flip):
    circuit = UnifiedCircuit(2).add_gate("CRX", [0, 1], "0.5*a").add_gate("CPhase", [0, 1], "b")
    form = limit_partial(lower(circuit.add_gate("RXX", [1, 0], 1e-9)), 0.0)
    values = values_of(np.random.default_rng(0), 3, batch=20)
    assert_emitted(emit_ms(form, SYMBOLS, may_flip), form, SYMBOLS, values, ACCURACY)


@settings(max_examples=30, deadline=None)
@given(any_circuits(), st.booleans(), seeds)
def test_a_row_of_a_batch_is_that_row_alone(circuit, may_flip, seed):
    values = values_of(np.random.default_rng(seed), len(SYMBOLS), batch=7)
    assert_rows_are_alone(emit_ms(lower(circuit), SYMBOLS, may_flip), values)


@settings(max_examples=30, deadline=None)
@given(any_circuits(), st.booleans())
def test_without_symbols_and_samples_there_are_numbers_too(circuit, may_flip):
    bound = circuit.bind(dict.fromkeys(circuit.parameters, 0.3))
    template = emit_ms(lower(bound), (), may_flip)
    assert template.bind(np.zeros((3, 0))).columns.shape[0] == 3
    assert template.bind(np.zeros((0, 0))).flips.shape == (0, circuit.n_qubits)


@pytest.mark.parametrize("values", [at_bounds, huge])
def test_numbers_are_legal_for_any_angles(values):
    template = emit_ms(lower(THREE), ("a", "b"), False)
    assert_legal(template, template.bind(values(2)).columns)


def pulses(circuit, may_flip=False):
    template = emit_ms(lower(circuit), circuit.parameters, may_flip)
    return [gate.name for gate in template.gates if len(gate.wires) == 1]


def test_rxx_needs_no_pulses():
    circuit = UnifiedCircuit(3).add_gate("RXX", [0, 1], 0.3).add_gate("RXX", [1, 2], -0.4)
    assert pulses(circuit) == []
    assert pulses(circuit.add_gate("RZ", 1, "a").add_gate("RYY", [0, 1], 0.2)) == []


def test_zz_takes_one_pulse_there_and_one_back_on_each_wire():
    assert pulses(UnifiedCircuit(2).add_gate("RZZ", [0, 1], 0.3)) == ["GPi2"] * 4


@pytest.mark.parametrize("n_layers", [1, 2, 5])
def test_turns_about_x_between_zz_are_virtual(n_layers):
    circuit = UnifiedCircuit(2)
    for layer in range(n_layers):
        circuit.add_gate("RX", 0, f"a{layer}").add_gate("RX", 1, f"b{layer}")
        circuit.add_gate("RZZ", [0, 1], f"c{layer}")
    # From Z to X and from there to where the last turns have taken Z.
    template = emit_ms(lower(circuit), circuit.parameters, True)
    assert sum(len(gate.wires) == 1 for gate in template.gates) <= 4


def test_a_wire_without_entanglers_takes_two_pulses_at_most():
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "a").add_gate("RY", 0, "b").add_gate("H", 0)
    assert pulses(circuit) == ["GPi2", "GPi2"]
    assert pulses(UnifiedCircuit(1).add_gate("X", 0)) == ["GPi"]
    assert pulses(UnifiedCircuit(1).add_gate("X", 0), may_flip=True) == []
    assert pulses(UnifiedCircuit(1).add_gate("RZ", 0, "a")) == []


def test_a_last_flip_is_left_to_the_outcomes_where_it_may():
    circuit = UnifiedCircuit(2).add_gate("RXX", [0, 1], 0.3).add_gate("X", 0).add_gate("Y", 1)
    template = emit_ms(lower(circuit), (), True)
    assert [gate.name for gate in template.gates] == ["MS"]
    np.testing.assert_array_equal(template.bind(np.zeros((1, 0))).flips, [[True, True]])
    assert pulses(circuit) == ["GPi", "GPi"]


def test_wires_with_the_same_plan_have_their_own_numbers():
    circuit = UnifiedCircuit(6)
    for first in (0, 2, 4):
        pair = [first, first + 1]
        circuit.add_gate("RX", first, f"a{first}").add_gate("CX", pair)
        circuit.add_gate("RY", first + 1, f"b{first}").add_gate("RZZ", pair, f"c{first}")
    form = lower(circuit)
    template = emit_ms(form, circuit.parameters, False)
    values = values_of(np.random.default_rng(0), 9, batch=2)
    assert_emitted(template, form, circuit.parameters, values)


def test_entanglers_are_ms_on_their_wires_in_their_order():
    circuit = UnifiedCircuit(3).add_gate("RXX", [2, 0], "a").add_gate("RYY", [0, 1], 0.3)
    gates = [gate for gate in emit_ms(lower(circuit), ("a",), False).gates if len(gate.wires) == 2]
    assert [gate.name for gate in gates] == ["MS", "MS"]
    assert [gate.wires for gate in gates] == [(0, 2), (0, 1)]
