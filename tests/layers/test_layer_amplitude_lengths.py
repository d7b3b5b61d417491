"""Amplitudes of any length: expectations carry the squared length, on every backend and way."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.backends import Backend, Capabilities, Sampled
from qstore_tf.backends.registry import SERVICES
from qstore_tf.circuits import parse_observables
from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.layers import (
    AmplitudeEncoding,
    ExpectationValue,
    Probabilities,
    QuantumLayer,
    Sample,
    StateVector,
)
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_program, random_values

RNG = np.random.default_rng([daily_seed(), 8])
# Real and complex rows of lengths far from 1, and a row of zeros.
LENGTHS = np.array([[0.4], [2.5], [0.0]])
REAL = RNG.normal(size=(3, 4))
REAL *= LENGTHS / np.linalg.norm(REAL, axis=1, keepdims=True)
PHASES = np.exp(1j * RNG.uniform(0, 6, size=(3, 4)))
ROWS = {"real": REAL.astype("float32"), "complex": (REAL * PHASES).astype("complex64")}
THETA = RNG.uniform(-3, 3, size=4).astype("float32")
MEASURED = ["ZI", "X0 Y1 + 0.5"]
SHOTS = 3000
REPEATS = 16


class Hardware(Backend):
    """The plain simulator as hardware looks: circuits from |0...0>, and no states."""

    name = "hardware"
    capabilities = Capabilities(state_vector=False, exact=True, adjoint=False)

    def expectation(self, program: Any, observables: Any, *numbers: Any, seed: Any = None) -> Any:
        assert not program.has_initial
        return backends.get("tensorflow").expectation(program, observables, *numbers)

    def sample(self, program: Any, *numbers: Any, **options: Any) -> Any:
        assert not program.has_initial
        return backends.get("tensorflow").sample(program, *numbers, **options)


NAMES = ["hardware", *(n for n in sorted(backends.available()) if not backends.available()[n])]
EACH = pytest.mark.parametrize(
    "name", [n for n in NAMES if n not in ("auto", "local_cpu", "tfq", *SERVICES)]
)


def on(name: str) -> Backend:
    return Hardware() if name == "hardware" else backends.get(name)


def chain(backend: Any, reader: Any, *, between: Any = lambda state: state) -> Any:
    """A model of rows: encoding without normalization, a circuit, what reads the state."""
    encode = AmplitudeEncoding(2, normalize=False)
    evolve = QuantumLayer(2, 1, entanglement=[(0, 1)], backend=backend)
    evolve.build((None, 4))
    evolve.theta.assign(THETA)
    return lambda rows: reader(evolve(between(encode(rows))))


def exact(rows: Any, name: str = "tensorflow", **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Expectations, and the gradients by the rows of a sum of them with weights."""
    rows = tf.constant(rows)
    run = chain(on(name), ExpectationValue(MEASURED), **options)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        values = run(rows)
        loss = tf.reduce_sum(values * [[0.7, -1.1]])
    return values.numpy(), tape.gradient(loss, rows).numpy()


@pytest.fixture(params=ROWS)
def rows(request: pytest.FixtureRequest) -> np.ndarray:
    return ROWS[request.param]


def test_the_reference_is_bra_operator_ket(rows: np.ndarray) -> None:
    state = chain("tensorflow", StateVector())(rows).numpy()
    z = np.kron(np.diag([1, -1]), np.eye(2))
    xy = np.kron([[0, 1], [1, 0]], [[0, -1j], [1j, 0]]) + 0.5 * np.eye(4)
    want = [np.einsum("bi,ij,bj->b", state.conj(), matrix, state).real for matrix in (z, xy)]
    np.testing.assert_allclose(exact(rows)[0], np.transpose(want), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(state, axis=1), LENGTHS[:, 0], atol=1e-5)


@pytest.mark.slow
@EACH
def test_exact_expectations_and_gradients_are_the_same_everywhere(
    name: str, rows: np.ndarray
) -> None:
    for found, want in zip(exact(rows, name), exact(rows), strict=True):
        np.testing.assert_allclose(found, want, atol=2e-3 if name == "qsim" else 1e-4)
    if name == "hardware":
        return  # the circuit must not be lost there
    handed_on = exact(rows, name, between=lambda state: tf.identity(state))
    for found, want in zip(handed_on, exact(rows), strict=True):
        np.testing.assert_allclose(found, want, atol=2e-3 if name == "qsim" else 1e-4)


@pytest.mark.slow
@EACH
def test_estimates_from_shots_and_their_gradients_have_the_same_mean(
    name: str, rows: np.ndarray
) -> None:
    want, by_rows = exact(rows)
    rows = tf.constant(rows)
    squared = LENGTHS**2
    gradients = []
    for repeat in range(REPEATS):
        seed = REPEATS * daily_seed() + repeat
        run = chain(on(name), ExpectationValue(MEASURED, shots=SHOTS, seed=seed))
        with tf.GradientTape() as tape:
            tape.watch(rows)
            values = run(rows)
            loss = tf.reduce_sum(values * [[0.7, -1.1]])
        # Six standard errors of a mean of signs.
        assert np.all(abs(values.numpy() - want) <= 6 / np.sqrt(SHOTS) * squared + 1e-6)
        gradients.append(tape.gradient(loss, rows).numpy())
    # Small amplitudes have large gradients, and estimates that scatter by as much.
    error = abs(np.mean(gradients, axis=0) - by_rows)
    scatter = np.std(gradients, axis=0, ddof=1) / np.sqrt(REPEATS)
    assert np.all(error <= 8 * scatter + 1e-3 * LENGTHS)
    assert np.all(scatter[:2] > 0)


@pytest.mark.slow
@EACH
def test_draws_depend_on_the_direction_alone(name: str, rows: np.ndarray) -> None:
    ground = np.zeros_like(rows)
    ground[:, 0] = 1

    def drawn(rows: np.ndarray) -> np.ndarray:
        return chain(on(name), Sample(50, seed=4))(rows).numpy()

    np.testing.assert_array_equal(drawn(rows), drawn(4 * rows))
    np.testing.assert_array_equal(drawn(rows)[2], drawn(ground)[2])


@pytest.mark.slow
@EACH
def test_probabilities_add_up_to_the_squared_length(name: str, rows: np.ndarray) -> None:
    if name == "hardware":
        return  # it has none
    sums = chain(on(name), Probabilities())(rows).numpy().sum(axis=1)
    np.testing.assert_allclose(sums, LENGTHS[:, 0] ** 2, atol=1e-5)
    state = chain(on(name), StateVector())(rows)
    np.testing.assert_allclose(state, chain("tensorflow", StateVector())(rows), atol=1e-5)


@EACH
def test_backends_themselves_keep_the_rule(name: str) -> None:
    if name == "hardware":
        return
    program = random_program(daily_seed(), 3, 12, n_inputs=1, n_theta=2, has_initial=True)
    inputs, theta, initial = random_values(daily_seed(), program, 3)
    numbers = [np.asarray(inputs, "float32"), np.asarray(theta, "float32")]
    start = (LENGTHS * np.asarray(initial)).astype("complex64")
    observables = parse_observables(["ZIZ", "X1 + 0.25"], 3)
    backend = on(name)
    want = backends.get("tensorflow").expectation(program, observables, *numbers, start).numpy()
    found = backend.expectation(program, observables, *numbers, start).numpy()
    np.testing.assert_allclose(found, want, atol=1e-4)
    sampled = Sampled(backend, SHOTS)
    mean, error = sampled.expectation_and_error(
        program, observables, *numbers, start, seed=[daily_seed(), 1]
    )
    assert np.all(abs(mean - want) <= 6 * error + 0.01 * LENGTHS**2)
    # A state of length zero is one to measure, but not one to draw from.
    np.testing.assert_array_equal(mean[2], 0)
    with pytest.raises((InputError, tf.errors.InvalidArgumentError), match="sample|draw"):
        backend.sample(program, *numbers, start, shots=3, seed=[1, 2])


@pytest.mark.skipif(backends.available().get("tfq", "") is not None, reason="needs it installed")
def test_tensorflow_quantum_refuses_amplitudes_of_any_length() -> None:
    for reader in (ExpectationValue(), ExpectationValue(shots=10), Sample(3)):
        with pytest.raises(ConfigurationError, match="starts every circuit from"):
            chain(backends.get("tfq"), reader)(ROWS["real"])
