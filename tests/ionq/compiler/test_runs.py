"""One-wire runs between entanglers: the same gates in the coordinates of the entanglers."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from qstore_tf.circuits.gates.matrices import PAULIS
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.cliffords import COUNT, IDENTITY, MATRICES, taking
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.runs import ZERO, run_between, wires_of
from qstore_tf.testing.daily import daily_seed
from tests.ionq.compiler.test_lowering import any_circuits
from tests.ionq.compiler.test_rotations import VALUES, assert_same_up_to_phase, basis, rotated


@pytest.fixture
def rng():
    return np.random.default_rng([daily_seed(), 43])


def turns(rotations, start=None):
    """The matrix of rotations of one wire: letters and angles in time order."""
    matrix = basis(1) if start is None else start
    for letter, angle in rotations:
        matrix = rotated(matrix, [0], letter, angle.evaluate(VALUES))
    return matrix


def matrix_of(run):
    middle = turns(zip(run.letters, run.angles, strict=True), turns([("Z", run.before)]))
    return turns([("Z", run.after)], MATRICES[run.clifford] @ middle)


def random_turns(rng, count):
    angles = [Affine(float(rng.uniform(-4, 4))), Affine.of("a"), Affine.of("1 - 2*b")]
    return [("XYZ"[rng.integers(3)], angles[rng.integers(3)]) for _ in range(count)]


def test_a_run_is_the_gates_between_two_changes_of_coordinates(rng):
    for begins, ends in itertools.product(range(COUNT), range(COUNT)):
        rotations = random_turns(rng, int(rng.integers(5)))
        run = run_between(rotations, begins, ends)
        expected = MATRICES[ends] @ turns(rotations) @ MATRICES[begins].conj().T
        assert_same_up_to_phase(matrix_of(run), expected)


def test_what_turns_about_z_at_either_end_is_taken_off(rng):
    for begins, ends in itertools.product(range(COUNT), range(COUNT)):
        run = run_between(random_turns(rng, int(rng.integers(6))), begins, ends)
        assert len(run.letters) == len(run.angles)
        if run.letters:
            clifford = MATRICES[run.clifford]
            last = clifford @ PAULIS[run.letters[-1]] @ clifford.conj().T
            assert run.letters[0] != "Z"
            assert not np.allclose(abs(last), np.eye(2))


def test_turns_about_z_alone_leave_nothing():
    run = run_between([("Z", Affine.of("a")), ("Z", Affine(0.5))], IDENTITY, IDENTITY)
    assert (run.letters, run.angles, run.clifford) == ("", (), IDENTITY)
    assert run.before + run.after == Affine.of("a + 0.5")
    about_x = run_between([("X", Affine.of("a"))], taking("X"), taking("X"))
    assert not about_x.letters


def test_a_run_is_constant_where_symbols_only_turn_about_z():
    turning = [("Z", Affine.of("a")), ("X", Affine(0.3)), ("Z", Affine.of("b"))]
    assert run_between(turning, IDENTITY, IDENTITY).is_constant
    assert not run_between([("X", Affine.of("a"))], IDENTITY, IDENTITY).is_constant
    assert run_between([], IDENTITY, IDENTITY).before == ZERO


@settings(max_examples=60, deadline=None)
@given(any_circuits())
def test_each_wire_has_its_own_part_of_the_circuit_in_time_order(circuit):
    form = lower(circuit)
    wires = wires_of(form)
    assert [wire.frame for wire in wires] == form.frames
    entangling = [rotation for rotation in form.rotations if rotation.is_entangling]
    for place, wire in enumerate(wires):
        assert len(wire.rotations) == len(wire.letters) + 1 == len(wire.numbers) + 1
        mine = [r for r in form.rotations if place in r.wires]
        found = list(wire.rotations[0])
        for letter, number, between in zip(
            wire.letters, wire.numbers, wire.rotations[1:], strict=True
        ):
            assert entangling[number].letter(place) == letter
            found += [(letter, entangling[number].angle), *between]
        assert found == [(rotation.letter(place), rotation.angle) for rotation in mine]


@settings(max_examples=60, deadline=None)
@given(any_circuits())
def test_the_runs_of_a_wire_with_its_entanglers_about_z_are_the_wire(circuit):
    for wire in wires_of(lower(circuit)):
        # Any turn about its letter may stand for an entangler.
        angles = [0.3 * (k + 1) for k in range(len(wire.letters))]
        expected, found = turns(wire.rotations[0]), matrix_of(wire.runs()[0])
        for letter, angle, between, run in zip(
            wire.letters, angles, wire.rotations[1:], wire.runs()[1:], strict=True
        ):
            expected = turns([(letter, Affine(angle)), *between], expected)
            found = matrix_of(run) @ turns([("Z", Affine(angle))], found)
        assert_same_up_to_phase(found, MATRICES[wire.frame] @ expected)


def test_an_idle_wire_has_one_empty_run():
    wire = wires_of(lower(UnifiedCircuit(2).add_gate("RX", 0, "a")))[1]
    assert (wire.letters, wire.numbers, wire.rotations) == ("", (), ((),))
    (run,) = wire.runs()
    assert (run.letters, run.clifford) == ("", IDENTITY)
