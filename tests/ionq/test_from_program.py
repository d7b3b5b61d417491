"""Programs as circuits: the same expectations, whatever the primitives and the bases."""

import math

import numpy as np
import pytest

from qstore_tf.circuits import compile_circuit, reference
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.primitives import Angle, Rot
from qstore_tf.circuits.program import Program
from qstore_tf.errors import CircuitError
from qstore_tf.ionq.from_program import circuit_of, values_of
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_program


@pytest.mark.parametrize("case", range(30))
def test_the_circuit_of_a_program_prepares_the_same_states(case: int) -> None:
    rng = np.random.default_rng([daily_seed(), case])
    program = random_program(rng, int(rng.integers(1, 5)), 12)
    inputs = rng.normal(size=(2, program.n_inputs))
    theta = rng.normal(size=program.n_theta)
    circuit = circuit_of(program)
    values = values_of(circuit.parameters, inputs, theta)
    again = compile_circuit(circuit, inputs=circuit.parameters)
    wanted = reference.state_vector(program, inputs, theta)
    found = reference.state_vector(again, values, [])
    overlaps = np.abs(np.sum(wanted.conj() * found, axis=1))
    np.testing.assert_allclose(overlaps, 1.0, atol=1e-9)


@pytest.mark.parametrize("letter", ["X", "Y", "Z"])
def test_a_basis_becomes_z(letter: str) -> None:
    rng = np.random.default_rng(daily_seed())
    program = random_program(rng, 2, 8, n_inputs=0, n_theta=0)
    turned = compile_circuit(circuit_of(program, [(1, letter)]))
    none = np.zeros((1, 0))
    wanted = reference.expectation(program, [PauliSum.of(f"{letter}1")], none, [])
    found = reference.expectation(turned, [PauliSum.of("Z1")], none, [])
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_mixed_products_of_three_letters_are_one_rotation() -> None:
    program = Program(3, 1, 0, False, (Rot("XYZ", (0, 1, 2), Angle(0.0, (("i", 0, 1.0),))),))
    circuit = circuit_of(program)
    assert circuit.parameters == ("i0",)
    found = reference.state_vector(compile_circuit(circuit, inputs=["i0"]), [[math.pi / 3]], [])
    wanted = reference.state_vector(program, [[math.pi / 3]], [])
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_a_program_with_a_given_state_is_refused() -> None:
    with pytest.raises(CircuitError, match="starts from a given state"):
        circuit_of(Program(1, 0, 0, True, ()))
