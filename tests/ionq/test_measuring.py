"""Expectations from outcomes of native circuits equal those of the program itself."""

import numpy as np
import pytest
from numpy.typing import NDArray

from qstore_tf.circuits import compile_circuit, reference
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.ionq import measuring
from qstore_tf.ionq.runnable import CompileOptions, runnable
from qstore_tf.ionq.sending import drawn
from qstore_tf.ionq.service.outcomes import Outcomes
from qstore_tf.ionq.service.work import Work
from qstore_tf.ionq.targets import lookup
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_observables, random_program


def ideal(work: Work) -> Outcomes:
    """Exact outcomes of wires, by the reference simulator."""
    probabilities = np.array([_probabilities(work, row) for row in work.values])
    rows, states = np.nonzero(probabilities > 1e-14)
    starts = np.searchsorted(rows, np.arange(len(work) + 1))
    return Outcomes(work.n_qubits, starts, states, probabilities[rows, states], None)


def _probabilities(work: Work, row: NDArray[np.float64]) -> NDArray[np.float64]:
    circuit, numbers = Circuit(work.template.n_qubits), list(row)
    for gate, qubits in work.template.gates:
        count = {"GPi": 1, "GPi2": 1, "ZZ": 1, "MS": 3}[gate]
        circuit.add_gate(gate, qubits, [float(numbers.pop(0)) for _ in range(count)])
    found: NDArray[np.float64] = np.abs(reference.state_vector(compile_circuit(circuit))[0]) ** 2
    return found


@pytest.mark.slow
@pytest.mark.parametrize("target", ["forte-1", "aria-1"])
@pytest.mark.parametrize("case", range(10))
def test_expectations_are_those_of_the_program(case: int, target: str) -> None:
    rng = np.random.default_rng([daily_seed(), case])
    n_qubits = int(rng.integers(1, 5))
    program = random_program(rng, n_qubits, 12)
    observables = random_observables(rng, n_qubits, 3)
    inputs = rng.normal(size=(3, program.n_inputs))
    theta = rng.normal(size=program.n_theta)
    planned = measuring.plan(program, observables, CompileOptions(lookup(target)))
    found = np.tile(planned.constants, (3, 1))
    for group in planned.groups:
        bound = group.runnable.bind(inputs, theta)
        found += group.expectations(ideal(bound.work), bound.flips)
    wanted = reference.expectation(program, observables, inputs, theta)
    np.testing.assert_allclose(found, wanted, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("case", range(10))
def test_draws_of_qubits_have_the_probabilities_of_the_program(case: int) -> None:
    rng = np.random.default_rng([daily_seed(), case, 1])
    program = random_program(rng, 3, 10)
    inputs, theta = rng.normal(size=(2, program.n_inputs)), rng.normal(size=program.n_theta)
    made = runnable(program, (), CompileOptions(lookup("forte-1")))
    bound = made.bind(inputs, theta)
    exact = ideal(bound.work)
    draws = drawn(exact, 5000, rng.spawn(len(exact))).draws(5000)
    qubits = measuring.qubit_states(draws, bound.flips, made.outcomes)
    wanted = np.abs(reference.state_vector(program, inputs, theta)) ** 2
    for row, chances in zip(qubits, wanted, strict=True):
        found = np.bincount(row, minlength=8) / 5000
        assert np.all(np.abs(found - chances) < 6 * np.sqrt(chances / 5000) + 1e-9)
