"""Layers of a circuit: how many there are, and the circuit of the first ones."""

import numpy as np
import pytest

from qstore_tf.circuits import UnifiedCircuit
from qstore_tf.circuits.ansatz import ANSATZE, ENTANGLEMENTS, get_ansatz
from qstore_tf.layers.depths import count_repetitions, first_repetitions
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_circuit


def uploads(times: int, *, shared: bool = False) -> UnifiedCircuit:
    circuit = UnifiedCircuit(2)
    for layer in range(times):
        for qubit in range(2):
            circuit = circuit.add_gate("RX", qubit, f"x{qubit}")
            circuit = circuit.add_gate("RY", qubit, f"w{0 if shared else layer}{qubit}")
        circuit = circuit.add_gate("CZ", [0, 1])
    return circuit


def test_features_uploaded_again_are_layers() -> None:
    assert count_repetitions(uploads(3), ["x0", "x1"]) == 3
    assert count_repetitions(uploads(3, shared=True), ["x0", "x1"]) == 3
    assert first_repetitions(uploads(3), 2, 3) == uploads(2)


def test_other_numbers_other_fed_symbols_and_a_tail_are_no_repetition() -> None:
    twice = UnifiedCircuit(1).add_gate("RX", 0, 0.5).add_gate("RX", 0, 0.25)
    assert count_repetitions(twice, []) == 1
    fed = UnifiedCircuit(1).add_gate("RX", 0, "x").add_gate("RX", 0, "y")
    assert count_repetitions(fed, ["x", "y"]) == 1
    assert count_repetitions(fed, []) == 2
    assert count_repetitions(uploads(3).add_gate("RY", 0, "last"), ["x0", "x1"]) == 1
    assert count_repetitions(UnifiedCircuit(1), []) == 0


def test_measurement_markers_do_not_count() -> None:
    circuit = uploads(3).measure(0, 1)
    assert count_repetitions(circuit, ["x0", "x1"]) == 3
    assert first_repetitions(circuit, 1, 3) == uploads(1)


@pytest.mark.parametrize("entanglement", ENTANGLEMENTS)
@pytest.mark.parametrize("name", ANSATZE)
def test_the_first_layers_of_an_ansatz_are_the_ansatz_of_that_depth(
    name: str, entanglement: str
) -> None:
    build = get_ansatz(name)
    for n_qubits in (1, 2, 4):
        whole = build(n_qubits, depth=5, entanglement=entanglement)
        for depth in range(1, 6):
            first = build(n_qubits, depth=depth, entanglement=entanglement)
            assert whole.operations[: len(first)] == first.operations
            assert whole.parameters[: first.n_parameters] == first.parameters


def test_random_blocks_are_found_as_often_as_they_are_repeated() -> None:
    generator = np.random.default_rng([daily_seed(), 1401])
    for _ in range(20):
        block = random_circuit(generator, int(generator.integers(1, 4)), 5, symbols=["a", "b"])
        inner = count_repetitions(block, block.parameters)
        times = int(generator.integers(1, 5))
        whole = UnifiedCircuit.from_operations(block.n_qubits, block.operations * times)
        assert count_repetitions(whole, block.parameters) == inner * times
