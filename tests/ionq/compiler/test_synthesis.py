"""What is built from strings is the same circuit, with the entanglers that are counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.conjugating import is_quarter
from qstore_tf.ionq.compiler.gadgets import WEIGHTS
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.pulling import fold, needed_for_outcomes, pull
from qstore_tf.ionq.compiler.synthesis import Synthesis
from tests.ionq.compiler.test_lowering import any_circuits, wanted
from tests.ionq.compiler.test_outcomes import read, wire_probabilities
from tests.ionq.compiler.test_rotations import (
    assert_same_up_to_phase,
    entanglers,
    seeds,
    unitary,
)

MANY = 10**6


def strings_circuit(seed, n_qubits, count, most=4):
    """Exponentials of random Pauli strings, each with its ladders of CX."""
    rng = np.random.default_rng(seed)
    circuit = UnifiedCircuit(n_qubits)
    for number in range(count):
        size = int(rng.integers(1, min(most, n_qubits) + 1))
        qubits = rng.permutation(n_qubits)[:size].tolist()
        letters = rng.choice(list("XYZ"), size=size).tolist()
        change = [
            (("H", "RX", None)["XYZ".index(p)], q) for p, q in zip(letters, qubits, strict=True)
        ]
        ladder = list(zip(qubits, qubits[1:], strict=False))
        for direction in (1, -1):
            for gate, qubit in change:
                if gate == "H":
                    circuit.add_gate("H", qubit)
                elif gate == "RX":
                    circuit.add_gate("RX", qubit, direction * np.pi / 2)
            if direction < 0:
                break
            for pair in ladder:
                circuit.add_gate("CX", pair)
            angle = rng.uniform(-3, 3) if rng.random() < 0.7 else f"{'abc'[number % 3]}"
            circuit.add_gate("RZ", qubits[-1], angle)
            for pair in reversed(ladder):
                circuit.add_gate("CX", pair)
    return circuit


string_circuits = st.builds(strings_circuit, seeds, st.integers(2, 5), st.integers(0, 8))
some_circuits = st.one_of(string_circuits, any_circuits(max_gates=14))
weights = st.sampled_from(WEIGHTS)


@settings(max_examples=120, deadline=None)
@given(some_circuits, weights, st.booleans())
def test_the_unitary_stays(circuit, chosen, partial):
    pulled = fold(pull(merge(lower(circuit))))
    synthesis = Synthesis(pulled, chosen, measured=False, partial=partial)
    found = synthesis.run(MANY)
    assert found is not None
    made, outcomes = found
    assert_same_up_to_phase(unitary(made), wanted(circuit))
    assert outcomes.is_permutation
    assert outcomes.matrix.argmax(axis=1).tolist() == made.wires
    assert entanglers(made) == synthesis.entanglers
    if not partial:
        assert all(is_quarter(r) for r in made.rotations if r.is_entangling)


@settings(max_examples=120, deadline=None)
@given(some_circuits, weights, st.booleans(), st.booleans())
def test_the_distribution_of_outcomes_stays(circuit, chosen, partial, needed):
    pulled = fold(pull(merge(lower(circuit))))
    if needed:
        pulled = fold(needed_for_outcomes(pulled))
    synthesis = Synthesis(pulled, chosen, measured=True, partial=partial)
    found = synthesis.run(MANY)
    assert found is not None
    made, outcomes = found
    values = {"a": 0.37, "b": -1.1, "c": 2.3}
    distribution = read(outcomes, wire_probabilities(made, values)[:, :1])[:, 0]
    np.testing.assert_allclose(distribution, abs(wanted(circuit, values)[:, 0]) ** 2, atol=1e-9)
    assert entanglers(made) == synthesis.entanglers


@settings(max_examples=60, deadline=None)
@given(string_circuits, weights, st.booleans())
def test_it_ends_where_too_many_entanglers_are_taken(circuit, chosen, measured):
    pulled = fold(pull(merge(lower(circuit))))

    def run(most):
        synthesis = Synthesis(pulled, chosen, measured=measured)
        return synthesis.run(most), synthesis.entanglers

    _, count = run(MANY)
    found, again = run(count)
    assert found is not None
    assert again == count
    if count:
        found, begun = run(count - 1)
        assert found is None
        assert begun <= count


@pytest.mark.parametrize("chosen", WEIGHTS)
def test_a_ladder_of_n_qubits_takes_two_entanglers_a_further_qubit_but_one(chosen):
    circuit = UnifiedCircuit(5)
    ladder = [(qubit, qubit + 1) for qubit in range(4)]
    for pair in ladder:
        circuit.add_gate("CX", pair)
    circuit.add_gate("RZ", 4, "a")
    for pair in reversed(ladder):
        circuit.add_gate("CX", pair)
    synthesis = Synthesis(pull(merge(lower(circuit))), chosen, measured=False)
    assert synthesis.run(7) is not None
    assert synthesis.entanglers == 7
