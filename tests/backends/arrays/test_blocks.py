"""The small matrices of a program multiply to what the program does."""

import numpy as np
import pytest

from qstore_tf.backends.arrays.blocks import Blocks, blocks_of
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, reference
from qstore_tf.circuits.gates.matrices import controlled
from qstore_tf.testing.random_circuits import random_program, random_values


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("n_qubits", [1, 2, 3, 5])
def test_blocks_do_what_the_program_does(n_qubits, fuse):
    for seed in range(5):
        program = random_program(seed, n_qubits, 30, 3, 4, has_initial=True)
        inputs, theta, states = random_values(seed, program, 3)
        expected = reference.state_vector(program, inputs, theta, states)
        blocks = Blocks(program, fuse)
        for block, matrices in zip(blocks.layout, blocks.matrices(inputs, theta), strict=True):
            for row in range(3):
                matrix = controlled(matrices[row % len(matrices)], len(block.controls))
                qubits = block.controls + block.targets
                states[row] = reference.apply_matrix(states[row], matrix, qubits, n_qubits)
        np.testing.assert_allclose(states, expected, atol=1e-12)


def test_neighbouring_gates_share_a_matrix_and_theta_alone_is_computed_once():
    circuit = UnifiedCircuit(2).add_gate("RX", 0, "x").add_gate("RZ", 1, "t").add_gate("CX", [0, 1])
    circuit.add_gate("RY", 1, "u").add_gate("CZ", [1, 0])
    program = compile_circuit(circuit, inputs=["x"])
    assert [block.targets for block in blocks_of(program).layout] == [(0, 1)]
    assert blocks_of(program) is blocks_of(program)
    alone = compile_circuit(circuit)
    (matrix,) = blocks_of(alone).matrices(np.zeros((5, 0)), np.zeros(3))
    assert matrix.shape == (1, 4, 4)
