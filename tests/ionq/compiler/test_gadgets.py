"""Circuits built anew are the same with fewer entanglers; what cannot pay is not tried."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler import gadgets
from qstore_tf.ionq.compiler.conjugating import conjugate, is_quarter
from qstore_tf.ionq.compiler.gadgets import fewer_entanglers
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.outcomes import drop_unmeasured
from qstore_tf.ionq.compiler.starting import from_zero
from qstore_tf.ionq.compiling import compile
from tests.ionq.compiler.test_lowering import wanted
from tests.ionq.compiler.test_outcomes import read, wire_probabilities
from tests.ionq.compiler.test_rotations import (
    VALUES,
    assert_same_up_to_phase,
    entanglers,
    unitary,
)
from tests.ionq.compiler.test_synthesis import some_circuits, string_circuits, strings_circuit


def tried(circuit, measured=False, partial=True):
    """What is found, and what it has to have fewer entanglers than."""
    lowered = merge(lower(circuit))
    present = conjugate(lowered)
    if measured:
        present, _ = drop_unmeasured(from_zero(present))
    return fewer_entanglers(lowered, present, measured=measured, partial=partial), present


@settings(max_examples=100, deadline=None)
@given(some_circuits, st.booleans())
def test_the_unitary_stays_with_fewer_entanglers(circuit, partial):
    found, present = tried(circuit, partial=partial)
    if found is None:
        return
    made, outcomes = found
    assert_same_up_to_phase(unitary(made), wanted(circuit))
    assert outcomes.is_permutation
    assert entanglers(made) < entanglers(present)
    assert partial or all(is_quarter(r) for r in made.rotations if r.is_entangling)


@settings(max_examples=100, deadline=None)
@given(some_circuits)
def test_the_distribution_of_outcomes_stays_with_fewer_entanglers(circuit):
    found, present = tried(circuit, measured=True)
    if found is None:
        return
    made, outcomes = found
    distribution = read(outcomes, wire_probabilities(made, VALUES)[:, :1])[:, 0]
    np.testing.assert_allclose(distribution, abs(wanted(circuit)[:, 0]) ** 2, atol=1e-9)
    assert entanglers(made) < entanglers(present)


@settings(max_examples=40, deadline=None)
@given(string_circuits, st.sampled_from(["unitary", "measured"]), st.sampled_from([0, 0.25]))
def test_the_highest_level_takes_no_more_entanglers_than_without(circuit, mode, most):
    # Level 2 leaves it out and does all else once.
    sizes = [
        compile(circuit, mode=mode, max_partial=most, optimization_level=level).gates_2q
        for level in (2, 3)
    ]
    assert sizes[1] <= sizes[0]


def test_exponentials_of_strings_take_a_fraction():
    counts = {2: 0, 3: 0}
    for seed in range(10):
        circuit = strings_circuit(seed, 5, 12)
        for level in counts:
            counts[level] += compile(circuit, optimization_level=level).gates_2q
    assert counts[3] < 0.8 * counts[2]


def excitation(angle="t"):
    """A double excitation of four orbitals by eight strings (Jordan and Wigner)."""
    circuit = UnifiedCircuit(4)
    signs = {"XXYX": 1, "XXXY": 1, "YXYY": 1, "XYYY": 1}
    signs |= {"YXXX": -1, "XYXX": -1, "YYYX": -1, "YYXY": -1}
    ladder = [(0, 1), (1, 2), (2, 3)]
    for letters, sign in signs.items():
        for direction in (1, -1):
            for qubit, letter in enumerate(letters):
                if letter == "X":
                    circuit.add_gate("H", qubit)
                else:
                    circuit.add_gate("RX", qubit, direction * np.pi / 2)
            if direction > 0:
                for pair in ladder:
                    circuit.add_gate("CX", pair)
                circuit.add_gate("RZ", 3, f"{sign / 4} * {angle}")
                for pair in reversed(ladder):
                    circuit.add_gate("CX", pair)
    return circuit


@pytest.mark.parametrize("target", ["forte-1", "aria-1"])
def test_a_double_excitation_takes_one_more_than_13_by_hand(target):
    # By Yordanov, Arvidsson-Shukur and Barnes, arXiv:2005.14475; ladders would have 48.
    assert compile(excitation(), target).gates_2q <= 14
    assert compile(excitation(), target, max_partial=0).gates_2q <= 16


@pytest.mark.parametrize(
    "gates",
    [
        [("H", 0), ("CX", [0, 1]), ("CX", [1, 2])],
        [("RZZ", [0, 1], "a"), ("RXX", [0, 1], "b"), ("RYY", [1, 2], "c"), ("RX", 0, 0.3)],
    ],
    ids=["as many as wires to join", "no quarter turns"],
)
def test_it_is_not_tried_where_it_cannot_pay(gates, monkeypatch):
    monkeypatch.setattr(gadgets, "Synthesis", None)
    circuit = UnifiedCircuit(3)
    for gate in gates:
        circuit.add_gate(*gate)
    assert tried(circuit)[0] is None


def test_it_is_not_tried_on_more_than_the_limit(monkeypatch):
    circuit = excitation()
    assert tried(circuit)[0] is not None
    monkeypatch.setattr(gadgets, "LIMIT", 8 * 4)
    assert tried(circuit)[0] is not None
    monkeypatch.setattr(gadgets, "LIMIT", 8 * 4 - 1)
    assert tried(circuit)[0] is None


def test_the_same_is_found_each_time():
    circuit = strings_circuit(1, 5, 12)
    first, second = (compile(circuit.bind({n: 0.3 for n in circuit.parameters})) for _ in range(2))
    assert first.native() == second.native()
