"""Templates: gates in time order, and numbers for a whole batch.

The functions at the top say what a bound template does; the tests of both emissions use them.
"""

import math

import numpy as np
import pytest

from qstore_tf.circuits import reference
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.gates.matrices import PAULIS
from qstore_tf.ionq.compiler.template import NativeGate, Numbers, Template, in_turns, order_of_gates
from tests.ionq.compiler.test_rotations import (
    assert_same_up_to_phase,
    basis,
    on_wire,
    read_on,
    rotated,
    unitary,
)

PI = math.pi
# Where angles vanish, axes coincide, and angles fold over.
SPECIAL = (
    *(0.0, PI / 2, -PI / 2, PI, -PI, 3 * PI / 2, 2 * PI, -4 * PI, PI / 4),
    *(1e-12, -1e-9, 1e-7, 1e-5, 1e4, -1e6),
)


def native_states(template, row, states):
    """What the gates with one row of numbers make of states [2^n, k]."""
    for gate in template.gates:
        matrix = GATES[gate.name].matrix(*(row[column] for column in gate.columns))
        if len(gate.wires) == 1:
            states = on_wire(states, matrix, gate.wires[0])
        else:
            states = reference.apply_matrix(states.T, matrix, gate.wires, template.n_wires).T
    return states


def declared_states(template, numbers, row, states):
    """The same with what is declared: turns about Z that are left, and then flips."""
    states = native_states(template, numbers.columns[row], states)
    for wire in range(template.n_wires):
        states = rotated(states, [wire], "Z", numbers.frames[row, wire])
        if numbers.flips[row, wire]:
            states = on_wire(states, PAULIS["X"], wire)
    return states


def assert_legal(template, columns, signed=True):
    """That all gates are native and all numbers of a batch in the ranges of the service."""
    used = [column for gate in template.gates for column in gate.columns]
    assert sorted(used) == list(range(columns.shape[1]))
    for gate in template.gates:
        assert (gate.name in ("GPi", "GPi2")) == (len(gate.wires) == 1)
        assert GATES[gate.name].native
        for place, column in enumerate(gate.columns):
            low, high = -1.0, 1.0
            if gate.name == "ZZ":
                low, high = (-0.25 if signed else 0.0), 0.25
            elif gate.name == "MS" and place == 2:
                low, high = 0.0, 0.25
            numbers = columns[:, column]
            assert ((numbers >= low) & (numbers <= high)).all(), (gate, numbers)


def assert_emitted(template, circuit, symbols, values, accuracy=1e-7, signed=True):
    """That a template is a circuit of rotations, for each row of values of the symbols."""
    numbers = template.bind(values)
    size = (len(values), template.n_wires)
    assert numbers.frames.shape == numbers.flips.shape == size
    assert_legal(template, numbers.columns, signed)
    for row, mine in enumerate(values):
        found = declared_states(template, numbers, row, basis(template.n_wires))
        bound = dict(zip(symbols, mine.tolist(), strict=True))
        expected = unitary(circuit, bound)
        assert_same_up_to_phase(read_on(found, circuit.wires), expected, accuracy)


def assert_rows_are_alone(template, values):
    """That a row of a batch is what binding that row alone gives."""
    together = template.bind(values)
    for row, mine in enumerate(values):
        alone = template.bind(mine[None])
        apart = together.columns[row] - alone.columns[0]
        # Half a turn is minus half a turn.
        np.testing.assert_allclose(apart - np.round(apart), 0, atol=1e-9)
        turned = np.exp(1j * (together.frames[row] - alone.frames[0]))
        np.testing.assert_allclose(turned, 1, atol=1e-8)
        np.testing.assert_array_equal(together.flips[row], alone.flips[0])


def values_of(rng, n_symbols, special=False, batch=5):
    """Rows of values of symbols, [batch, symbols]."""
    if special:
        rows = rng.choice(SPECIAL, size=(batch, n_symbols))
        rows[0] = 0.0
        return rows
    return rng.uniform(-7, 7, (batch, n_symbols))


def at_bounds(n_symbols):
    """Values at and next to multiples of a quarter turn, [batch, symbols]."""
    quarters = np.arange(-9, 10) * PI / 2
    near = [quarters]
    for _ in range(3):
        near = [np.nextafter(near[0], -np.inf), *near, np.nextafter(near[-1], np.inf)]
    return in_turn(np.concatenate(near), n_symbols)


def huge(n_symbols):
    """Values of any size, [batch, symbols]; beyond 1e16 no digit within a turn is left."""
    sizes = 10.0 ** np.arange(-300, 300, 7)
    return in_turn(np.concatenate([sizes, -sizes]), n_symbols)


def in_turn(values, n_symbols):
    return np.stack([np.roll(values, 5 * k) for k in range(n_symbols)], axis=1)


@pytest.mark.parametrize("turns", [0.0, 0.1, 0.4999, -0.4999, 0.25, -0.25])
@pytest.mark.parametrize("whole", [0, 1, -1, 7, 1000])
def test_angles_are_turns_within_half_a_turn(turns, whole):
    found = in_turns(np.array([2 * PI * (turns + whole)]))
    np.testing.assert_allclose(found, turns, atol=1e-12)


def test_turns_are_in_range_for_any_angle():
    angles = np.concatenate([10.0 ** np.arange(-300, 308, 7), np.arange(-99, 99) * PI / 2])
    for near in (angles, np.nextafter(angles, np.inf), np.nextafter(-angles, -np.inf)):
        assert (abs(in_turns(near)) <= 0.5).all()


def test_pulses_come_right_before_the_entangler_that_needs_them():
    def pulse(wire, column):
        return NativeGate("GPi2", (wire,), (column,))

    zero_one, one_two = NativeGate("ZZ", (0, 1), (7,)), NativeGate("ZZ", (1, 2), (8,))
    pulses = [
        [[pulse(0, 0)], [pulse(0, 1)]],
        [[pulse(1, 2), pulse(1, 3)], [], [pulse(1, 4)]],
        [[pulse(2, 5)], [pulse(2, 6)]],
    ]
    order = order_of_gates(pulses, [zero_one, one_two])
    assert [gate.columns[0] for gate in order] == [0, 2, 3, 7, 5, 8, 1, 4, 6]


def test_a_template_gives_values_on_with_symbols_first():
    given = []

    def compute(values):
        given.append(values)
        return Numbers(np.zeros((2, 0)), np.zeros((2, 1)), np.zeros((2, 1), bool))

    Template(1, (), compute).bind(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    np.testing.assert_array_equal(given[0], [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]])
