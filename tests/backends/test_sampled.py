"""Expectations from shots.

Bounds are 5 standard deviations where nothing else is said, 6e-7 for one comparison; there are
fewer than 500, so that with other seeds one run in 3,000 would be a false alarm. Seeds are fixed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.backends import Backend, Capabilities, TensorFlow, sampled
from qstore_tf.backends.sampled import Sampled
from qstore_tf.circuits import (
    PauliSum,
    Program,
    UnifiedCircuit,
    compile_circuit,
    parse_observables,
    reference,
)
from qstore_tf.errors import ConfigurationError, InputError, ObservableError
from qstore_tf.gradients.base import fold
from qstore_tf.testing import random_circuits as rc

PROGRAM = rc.random_program(0, 3, 15, 2, 3)
INPUTS, THETA, _ = rc.random_values(0, PROGRAM, 2)
# Three groups; identities; one string in two observables.
OBSERVABLES = parse_observables(
    ["ZZI", "0.5 X0 Y1 - 1.5 Z2 + 2", "Y0 Y1 Y2", "X0 Y1", "-0.7", "X0 + Y0 + Z0"], 3
)
EXACT = reference.expectation(PROGRAM, OBSERVABLES, INPUTS, THETA)
BOTH = pytest.mark.parametrize("name", ["native", "tensorflow"])


def on(name: str, shots: int) -> Sampled:
    return Sampled(backends.get(name), shots)


def repeated(times: int) -> np.ndarray:
    """The first sample many times: rows are drawn independently."""
    return np.repeat(INPUTS[:1], times, axis=0)


@BOTH
def test_estimates_come_close_to_the_exact_expectations_with_many_shots(name: str) -> None:
    errors = []
    for shots in (100, 10_000, 1_000_000):
        estimator = on(name, shots)
        mean, error = estimator.expectation_and_error(
            PROGRAM, OBSERVABLES, INPUTS, THETA, seed=[3, 1]
        )
        error = np.asarray(error)
        assert np.all(abs(mean - EXACT) <= 5 * error + 1e-12)
        errors.append(error)
    np.testing.assert_array_equal(errors[0][:, 4], 0.0)
    measured = [0, 1, 2, 3, 5]
    for before, after in zip(errors, errors[1:], strict=False):
        ratio = before[:, measured] / after[:, measured]
        np.testing.assert_allclose(ratio, 10.0, rtol=0.5)


@BOTH
@pytest.mark.parametrize("shots", [1, 2, 7])
def test_estimates_are_unbiased_however_few_the_shots(name: str, shots: int) -> None:
    rows = 20_000
    values = on(name, shots).expectation(
        PROGRAM, OBSERVABLES, repeated(rows), THETA, seed=[1, shots]
    )
    values = np.asarray(values)
    error = values.std(axis=0, ddof=1) / np.sqrt(rows)
    assert np.all(abs(values.mean(axis=0) - EXACT[0]) <= 5 * error + 1e-12)


@BOTH
def test_standard_errors_are_the_spread_of_the_estimates(name: str) -> None:
    rows = 10_000
    mean, error = on(name, 300).expectation_and_error(
        PROGRAM, OBSERVABLES, repeated(rows), THETA, seed=[5, 5]
    )
    measured = [0, 1, 2, 3, 5]
    mean, error = np.asarray(mean)[:, measured], np.asarray(error)[:, measured]
    z = (mean - EXACT[0, measured]) / error
    # The mean of z is 0 within 5 / sqrt(rows), its variance 1 within 5 * sqrt(2 / rows), and,
    # as the error is itself estimated from few shots, a few per cent more.
    assert np.all(abs(z.mean(axis=0)) < 0.05 + 0.03)
    np.testing.assert_allclose(z.var(axis=0), 1.0, atol=0.071 + 0.03)
    np.testing.assert_allclose(error.mean(axis=0), mean.std(axis=0), rtol=0.05)


@BOTH
def test_the_same_seed_gives_the_same_numbers_and_another_one_others(name: str) -> None:
    def run(seed: Any) -> np.ndarray:
        return on(name, 100).expectation(PROGRAM, OBSERVABLES, INPUTS, THETA, seed=seed).numpy()

    np.testing.assert_array_equal(run([1, 2]), run(tf.constant([1, 2], tf.int64)))
    assert np.any(run([1, 2]) != run([1, 3]))
    assert np.any(run([1, 2]) != run([2, 2]))


@BOTH
def test_rows_and_groups_are_drawn_independently(name: str) -> None:
    # Z, X and Y of the same state, each uniform: three groups.
    program = compile_circuit(
        UnifiedCircuit(1).add_gate("RY", 0, np.arccos(1 / 3**0.5)).add_gate("RZ", 0, np.pi / 4)
    )
    observables = parse_observables(["Z0", "X0", "Y0"], 1)
    rows = 20_000
    values = on(name, 1).expectation(program, observables, np.zeros((rows, 0)), [], seed=[1, 1])
    table = np.corrcoef(np.asarray(values).T)
    assert np.all(abs(table - np.eye(3)) < 5 / np.sqrt(rows))
    shifted = np.corrcoef(np.asarray(values)[1:, 0], np.asarray(values)[:-1, 0])[0, 1]
    assert abs(shifted) < 5 / np.sqrt(rows)


@BOTH
def test_it_runs_in_a_graph_with_any_batch_size(name: str) -> None:
    estimator = on(name, 50)
    traced = tf.function(
        lambda inputs: estimator.expectation_and_error(
            PROGRAM, OBSERVABLES, inputs, THETA, seed=[1, 2]
        ),
        input_signature=[tf.TensorSpec([None, 2], tf.float64)],
    )
    for size in (0, 1, 2):
        mean, error = traced(INPUTS[:size])
        assert mean.shape == error.shape == (size, 6)
    want = estimator.expectation(PROGRAM, OBSERVABLES, INPUTS, THETA, seed=[1, 2])
    np.testing.assert_allclose(mean, want, atol=1e-12)


def test_it_compiles_where_the_backend_does() -> None:
    estimator = on("tensorflow", 1000)
    assert estimator.capabilities.xla
    compiled = tf.function(
        lambda x: estimator.expectation_and_error(PROGRAM, OBSERVABLES, x, THETA, seed=[1, 2]),
        jit_compile=True,
    )
    mean, error = compiled(tf.constant(INPUTS))
    assert np.all(abs(mean - EXACT) <= 5 * np.asarray(error) + 1e-12)


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_starts_from_given_states(name: str, dtype: str) -> None:
    program = rc.random_program(1, 3, 10, 0, 2)
    program = Program(3, 0, 2, True, program.gates)
    theta = np.array([0.3, -0.8], dtype)
    states = rc.random_state(2, 4, 3).astype("complex64" if dtype == "float32" else "complex128")
    inputs = np.zeros((4, 0), dtype)
    mean, error = on(name, 20_000).expectation_and_error(
        program, OBSERVABLES, inputs, theta, states, seed=[4, 4]
    )
    assert mean.dtype == error.dtype == dtype
    want = reference.expectation(program, OBSERVABLES, inputs, theta, states)
    assert np.all(abs(mean - want) <= 5 * np.asarray(error) + 1e-5)


@BOTH
def test_counting_and_reading_shot_by_shot_agree(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = on(name, 64)
    run = lambda: estimator.expectation_and_error(  # noqa: E731
        PROGRAM, OBSERVABLES, INPUTS, THETA, seed=[1, 2]
    )
    counted = run()
    monkeypatch.setattr(sampled, "_LARGEST_TABLE", 0)
    for one, other in zip(counted, run(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_more_states_than_shots() -> None:
    n = 14
    circuit = UnifiedCircuit(n)
    for qubit in range(n):
        circuit = circuit.add_gate("RY", qubit, 0.2 * qubit)
    program = compile_circuit(circuit)
    observables = parse_observables(["Z0 + Z13", "X3 X5", "Z" * n], n)
    inputs = np.zeros((3, 0))
    mean, error = on("native", 400).expectation_and_error(
        program, observables, inputs, [], seed=[1, 2]
    )
    exact = backends.get("native").expectation(program, observables, inputs, [])
    assert np.all(abs(mean - exact) <= 5 * np.asarray(error) + 0.05)


class Counting(TensorFlow):
    """Counts its calls and the rows of each."""

    name = "counting"

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.seeds: list[list[int]] = []

    def sample(
        self,
        program: Program,
        inputs: Any,
        theta: Any,
        initial_state: Any = None,
        *,
        shots: int,
        seed: Any,
    ) -> tf.Tensor:
        self.rows.append(int(inputs.shape[0]))
        self.seeds.append(np.asarray(seed).tolist())
        return super().sample(program, inputs, theta, initial_state, shots=shots, seed=seed)


def test_all_groups_of_a_batch_are_one_call() -> None:
    counting = Counting()
    estimator = Sampled(counting, 10)
    estimator.expectation(PROGRAM, OBSERVABLES, INPUTS, THETA, seed=[1, 2])
    assert counting.rows == [3 * 2]
    estimator.expectation(
        PROGRAM, parse_observables(["ZZI", "Z2", "3"], 3), INPUTS, THETA, seed=[1, 2]
    )
    assert counting.rows[1:] == [2]
    estimator.expectation(PROGRAM, parse_observables(["3 I0"], 3), INPUTS, THETA, seed=[1, 2])
    assert len(counting.rows) == 2  # nothing to run


def test_identities_are_exact_and_one_shot_has_no_error() -> None:
    observables = (PauliSum.of("2.5"), PauliSum.of("Z0"))
    mean, error = on("tensorflow", 1).expectation_and_error(
        PROGRAM, observables, INPUTS, THETA, seed=[1, 2]
    )
    np.testing.assert_array_equal(mean[:, 0], [2.5, 2.5])
    assert set(np.asarray(mean)[:, 1]) <= {-1.0, 1.0}
    np.testing.assert_array_equal(error, [[0.0, np.nan]] * 2)


@BOTH
def test_what_is_not_finite_is_nan_and_leaves_the_other_rows_alone(name: str) -> None:
    inputs = np.array(INPUTS)
    inputs[1, 0] = np.inf
    estimator = on(name, 20)
    values = estimator.expectation(PROGRAM, OBSERVABLES, inputs, THETA, seed=[1, 2]).numpy()
    assert np.all(np.isfinite(values[0])) and np.all(np.isnan(values[1]))
    theta = np.full_like(THETA, np.nan)
    assert np.all(np.isnan(estimator.expectation(PROGRAM, OBSERVABLES, INPUTS, theta, seed=[1, 2])))


@pytest.mark.parametrize("shots", [0, -5, 2.0, True, "10", None])
def test_shots_that_are_no_number_of_shots_are_refused(shots: Any) -> None:
    with pytest.raises(ConfigurationError, match="integer >= 1"):
        Sampled(backends.get("tensorflow"), shots)


class Dry(Backend):
    name = "dry"
    capabilities = Capabilities(state_vector=False, exact=True, adjoint=False, samples=False)

    def expectation(
        self,
        program: Program,
        observables: Sequence[PauliSum],
        inputs: Any,
        theta: Any,
        initial_state: Any = None,
        *,
        seed: Any = None,
    ) -> tf.Tensor:
        raise AssertionError("must not run")

    def check(self, program: Program) -> None:
        raise ConfigurationError("no gates here")


def test_backends_that_draw_nothing_are_refused_with_one_that_does() -> None:
    with pytest.raises(ConfigurationError, match="backend='native'"):
        Sampled(Dry(), 10)
    with pytest.raises(ConfigurationError, match="as qstore_tf.backends.get"):
        Sampled("native", 10)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="as qstore_tf.backends.get"):
        Sampled(on("tensorflow", 1), 10)


def test_bad_calls_say_what_was_expected() -> None:
    estimator = on("tensorflow", 10)
    with pytest.raises(ConfigurationError, match="two integers"):
        estimator.expectation(PROGRAM, OBSERVABLES, INPUTS, THETA)
    with pytest.raises(InputError, match="seed"):
        estimator.expectation(PROGRAM, OBSERVABLES, INPUTS, THETA, seed=[1.5, 2.5])
    with pytest.raises(InputError, match="columns"):
        estimator.expectation(PROGRAM, OBSERVABLES, INPUTS[:, :1], THETA, seed=[1, 2])
    with pytest.raises(ObservableError, match="qubits 0 to 2"):
        estimator.expectation(PROGRAM, parse_observables("Z3", 4), INPUTS, THETA, seed=[1, 2])
    with pytest.raises(ConfigurationError, match="state vectors"):
        estimator.state_vector(PROGRAM, INPUTS, THETA)
    with pytest.raises(ConfigurationError, match="exact probabilities"):
        estimator.probabilities(PROGRAM, INPUTS, THETA)


def test_it_says_what_it_is() -> None:
    estimator = on("tensorflow", 10)
    assert estimator.name == "tensorflow with shots=10"
    assert repr(estimator) == "Sampled(backend=TensorFlow(), shots=10)"
    assert estimator == on("tensorflow", 10)
    assert estimator != on("tensorflow", 11)
    assert hash(estimator) == hash(on("tensorflow", 10))
    assert not estimator.capabilities.exact
    drawn = estimator.sample(PROGRAM, INPUTS, THETA, shots=3, seed=[1, 2])
    assert drawn.shape == (2, 3)


def test_the_check_of_the_backend_is_asked() -> None:
    class Wet(Dry):
        capabilities = Capabilities(state_vector=False, exact=True, adjoint=False)

    with pytest.raises(ConfigurationError, match="no gates here"):
        Sampled(Wet(), 10).check(PROGRAM)


@pytest.mark.slow
@BOTH
def test_large_batches_are_drawn_in_pieces(name: str) -> None:
    shots, rows, batch = 400, 8, 45
    draws = len(sampled._measurement(PROGRAM, OBSERVABLES).groups) * shots
    limited = Sampled(
        backends.get(name, memory_limit=rows * draws * sampled._DRAW_BYTES + 1), shots
    )
    inputs = np.tile(INPUTS, (batch, 1))[:batch].astype(np.float32)
    given = (PROGRAM, OBSERVABLES, inputs, THETA.astype(np.float32))
    mean, error = limited.expectation_and_error(*given, seed=[5, 6])
    exact = np.tile(EXACT, (batch, 1))[:batch]
    assert np.all(abs(mean - exact) <= 5 * np.asarray(error) + 1e-6)
    # Not the same draws again in each piece.
    assert len(np.unique(np.asarray(mean)[::2, 0])) > batch // 4
    np.testing.assert_array_equal(limited.expectation(*given, seed=[5, 6]), mean)
    assert np.any(limited.expectation(*given, seed=[5, 7]) != mean)

    @tf.function(input_signature=[tf.TensorSpec([None, inputs.shape[1]])])
    def traced(inputs: tf.Tensor) -> tf.Tensor:
        return limited.expectation(PROGRAM, OBSERVABLES, inputs, given[3], seed=[5, 6])

    for size in (batch, rows, 3, 0):
        np.testing.assert_allclose(
            traced(inputs[:size]),
            limited.expectation(PROGRAM, OBSERVABLES, inputs[:size], given[3], seed=[5, 6]),
            atol=1e-12,
        )


def test_no_piece_is_drawn_with_a_seed_of_the_backward_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sampled, "_MOST_DRAWN_BYTES", 1)  # a row at a time
    counting = Counting()
    seed = tf.constant([5, 6], tf.int64)
    inputs = np.tile(INPUTS[:1], (4, 1))
    Sampled(counting, 10).expectation(PROGRAM, OBSERVABLES, inputs, THETA, seed=seed)
    assert len(counting.seeds) == 4
    assert counting.seeds[0] == [5, 6]
    assert len({first for first, _ in counting.seeds}) == 4
    # The second entry is the number of the call; a purpose of the backward pass is put there too.
    assert [second for _, second in counting.seeds] == [6] * 4
    purposes = [fold(seed, purpose) for purpose in range(1, 5)]
    assert not {tuple(s) for s in counting.seeds} & {tuple(np.asarray(s)) for s in purposes}
