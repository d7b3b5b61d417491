"""States against the reference simulator, derivatives against finite differences."""

import numpy as np
import pytest

from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.circuits.reference import state_vector
from qstore_tf.ionq.encoder import Pattern
from qstore_tf.ionq.encoder.ranges import in_range
from qstore_tf.ionq.encoder.sweep import states_and_derivatives
from qstore_tf.testing.daily import daily_seed

PATTERNS = [Pattern(n, gate) for gate in ("CZ", "RZZ") for n in range(1, 6)]
PATTERNS += [Pattern(4, "CZ", 2), Pattern(3, "RZZ", 2), Pattern(6)]


def random_angles(pattern, batch, seed=0):
    rng = np.random.default_rng([daily_seed(), seed])
    return rng.uniform(-9.0, 9.0, (batch, pattern.n_angles))


@pytest.mark.parametrize("pattern", PATTERNS, ids=repr)
def test_the_states_are_those_of_the_circuit(pattern):
    angles = random_angles(pattern, 2)
    circuit = pattern.circuit()
    program = compile_circuit(circuit, inputs=circuit.parameters)
    states, _ = states_and_derivatives(pattern, angles)
    assert states.dtype == (np.complex128 if pattern.is_complex else np.float64)
    np.testing.assert_allclose(states, state_vector(program, angles), atol=1e-13)


@pytest.mark.parametrize("pattern", PATTERNS, ids=repr)
def test_the_derivatives_are_those_of_the_states(pattern):
    angles = random_angles(pattern, 2)
    _, derivatives = states_and_derivatives(pattern, angles)
    step = 1e-5
    for column in range(pattern.n_angles):
        move = np.zeros(pattern.n_angles)
        move[column] = step
        high, low = (states_and_derivatives(pattern, angles + s * move)[0] for s in (1, -1))
        np.testing.assert_allclose(
            derivatives[:, :, column], (high - low) / (2 * step), atol=1e-9, rtol=0
        )


@pytest.mark.parametrize("pattern", PATTERNS, ids=repr)
def test_angles_in_range_give_the_same_states(pattern):
    angles = random_angles(pattern, 20)
    folded = in_range(pattern, angles)
    before, after = (states_and_derivatives(pattern, a)[0] for a in (angles, folded))
    np.testing.assert_allclose(np.abs((before.conj() * after).sum(1)), 1.0, atol=1e-12)
    assert np.abs(folded).max() <= np.pi
    entangling = [angle for layer in pattern.layers for angle in layer.zz_angles]
    if entangling:
        assert folded[:, entangling].min() >= 0.0
        assert folded[:, entangling].max() <= np.pi / 2
    np.testing.assert_allclose(in_range(pattern, folded), folded, atol=1e-12)


def test_edges_of_the_range_stay_in_it():
    pattern = Pattern(2, "RZZ")
    edges = np.array(
        [0.0, -0.0, np.pi / 2, -np.pi / 2, np.pi, -np.pi, 3 * np.pi / 2, 1e-17, -1e-17]
    )
    angles = np.repeat(edges[:, None], pattern.n_angles, axis=1)
    folded = in_range(pattern, angles)
    before, after = (states_and_derivatives(pattern, a)[0] for a in (angles, folded))
    np.testing.assert_allclose(np.abs((before.conj() * after).sum(1)), 1.0, atol=1e-12)
    entangling = list(pattern.layers[1].zz_angles)
    assert folded[:, entangling].min() >= 0.0
    assert folded[:, entangling].max() <= np.pi / 2
