"""Circuits measure what the closed form says: all methods, metrics, contexts, decay; with shots."""

import numpy as np
import pytest

from qstore_tf.backends import arrays
from qstore_tf.circuits import reference
from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.store.circuits import overlap, racing, running
from qstore_tf.store.circuits.overlap_circuits import METHODS, OverlapTest
from qstore_tf.store.circuits.preparing import superposed
from qstore_tf.store.definitions.encoding import METRICS
from qstore_tf.store.definitions.measurement import coherent, fidelity, measure, mixture
from qstore_tf.testing.daily import daily_seed

SHOTS = 2000


def random(*case: int) -> np.random.Generator:
    return np.random.default_rng([daily_seed(), *case])


def vectors(rng, *shape, is_complex=False):
    rows = rng.normal(size=shape)
    return rows + 1j * rng.normal(size=shape) if is_complex else rows


def an_item(rng, metric, m, d, is_complex=False):
    """Weights [m], encoded vectors [m, d'] and an encoded query [d']."""
    rows = vectors(rng, m, d, is_complex=is_complex)
    longest = float(np.linalg.norm(rows, axis=1).max()) * 1.2
    states = METRICS[metric].encode(rows, longest)
    return rng.dirichlet(np.ones(m)), states, METRICS[metric].encode_query(vectors(rng, d))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("metric", METRICS)
def test_a_circuit_gives_the_fidelity_of_the_closed_form(metric: str, method: str) -> None:
    rng = random(1, len(metric), len(method))
    for d in (1, 2, 3):
        rows = vectors(rng, 4, d, is_complex=metric == "fidelity")
        states = METRICS[metric].encode(rows, float(np.linalg.norm(rows, axis=1).max()))
        query = METRICS[metric].encode_query(vectors(rng, d))
        found = overlap.measure(overlap.ask(states, query, method=method))
        np.testing.assert_allclose(found.values, fidelity(query, states), atol=1e-6)
        assert found.shots == 0 and not found.standard_errors.any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("metric", ["cosine", "fidelity"])
def test_contexts_mixtures_and_coherent_queries_are_those_of_the_definition(metric, method) -> None:
    rng = random(2, len(metric), len(method))
    names, mix = ["a", "b", "c"], {"a": 0.7, "c": 0.3}
    weights, states, query = an_item(rng, metric, 3, 2, is_complex=metric == "fidelity")
    n = METRICS[metric].n_qubits(2)
    item = superposed(weights, states, 2)
    both = superposed([0.7, 0.0, 0.3], query, 2)
    asked = {"method": method, "n_context": 2}

    def of(context):
        return measure(
            names, weights, states, query, context, data_qubits=n, context_qubits=2
        ).score

    for found, wanted in [
        (overlap.ask(item, query, **asked), of(None)),
        (overlap.ask(item, query, context=1, **asked), of("b")),
        (overlap.ask(item, query, context=3, **asked), 0.0),
        (overlap.ask(item, both, coherent=True, **asked), of(mix)),
    ]:
        assert overlap.measure(found).values[0] == pytest.approx(wanted, abs=1e-6)
    # The sum over all outcomes of the contexts is the mixture.
    parts = [
        overlap.measure(overlap.ask(item, query, context=c, **asked)).values[0] for c in range(4)
    ]
    assert sum(parts) == pytest.approx(of(None), abs=1e-6)


def test_coherent_queries_interfere_and_mixtures_do_not() -> None:
    senses = np.array([[1.0, 0.0], [-1.0, 0.0]])
    item = superposed([0.5, 0.5], senses, 1)
    both = superposed([0.5, 0.5], [1.0, 0.0], 1)
    asked = overlap.ask(item, both, n_context=1, coherent=True)
    assert overlap.measure(asked).values[0] == pytest.approx(0, abs=1e-12)
    assert coherent([0.5, 0.5], [0.5, 0.5], [1.0, -1.0]) == pytest.approx(0)
    mixed = overlap.measure(overlap.ask(item, [1.0, 0.0], n_context=1)).values[0]
    assert mixed == pytest.approx(mixture([0.5, 0.5], [1.0, 1.0]))


@pytest.mark.parametrize("backend", ["qsim", "qulacs", "lightning"])
def test_simulators_agree(backend: str) -> None:
    if arrays.names.BACKENDS[backend].needs:
        pytest.importorskip(arrays.names.BACKENDS[backend].needs)
    rng = random(3)
    states = METRICS["cosine"].encode(vectors(rng, 5, 6))
    query = METRICS["cosine"].encode_query(vectors(rng, 6))
    found = overlap.measure(overlap.ask(states, query), arrays.get(backend))
    np.testing.assert_allclose(found.values, fidelity(query, states), atol=1e-6)


@pytest.mark.parametrize("backend", [None, "qsim"], ids=["reference", "qsim"])
@pytest.mark.parametrize("method", METHODS)
def test_shots_scatter_as_stated(method: str, backend: str | None) -> None:
    rng = random(4, len(method))
    states = METRICS["cosine"].encode(vectors(rng, 24, 3))
    query = METRICS["cosine"].encode_query(vectors(rng, 3))
    exact = fidelity(query, states)
    runner = None if backend is None else arrays.get(backend)
    found = overlap.measure(overlap.ask(states, query, method=method), runner, SHOTS, seed=7)
    spread = exact * (1 - exact) if method == "inversion" else 1 - exact**2
    sigma = np.sqrt(spread / SHOTS)
    assert np.all(np.abs(found.values - exact) < 5 * sigma + 5 / SHOTS)
    np.testing.assert_allclose(found.standard_errors, sigma, rtol=0.25, atol=2e-3)
    # Nor do they scatter less: 24 of them within a tenth of a sigma are no shots.
    assert np.abs(found.values - exact).max() > 0.3 * sigma.min()
    assert found.shots == SHOTS


def test_shots_of_one_context_scatter_as_stated() -> None:
    rng = random(5)
    weights, states, query = an_item(rng, "cosine", 2, 3)
    items = np.repeat(superposed(weights, states, 1)[None], 40, axis=0)
    for method in METHODS:
        asked = overlap.ask(items, query, method=method, n_context=1, context=1)
        found = overlap.measure(asked, None, SHOTS, seed=daily_seed())
        wanted = weights[1] * fidelity(query, states[1])
        square = wanted if method == "inversion" else weights[1]
        sigma = np.sqrt((square - wanted**2) / SHOTS)
        assert np.all(np.abs(found.values - wanted) < 5 * sigma + 5 / SHOTS)
        np.testing.assert_allclose(found.standard_errors, sigma, rtol=0.25, atol=2e-3)
        assert 0.5 * sigma < np.std(found.values) < 1.6 * sigma


def test_one_seed_gives_the_same_shots_and_another_one_others() -> None:
    asked = overlap.ask([[0.6, 0.8], [0.8, 0.6]], [1.0, 0.0])
    first, again, other = (overlap.measure(asked, shots=500, seed=s).values for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_fidelity_without_a_shot_is_not_certainly_zero() -> None:
    found = overlap.measure(overlap.ask([[0.0, 1.0]], [1.0, 0.0]), shots=100)
    assert found.values[0] == 0 and 0.005 < found.standard_errors[0] < 0.02


class Counting(running.Reference):
    """The reference, with a list of what it was asked to sample: rows and shots."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def sample(self, batch, shots, seed):
        self.calls.append((len(batch.inputs), shots))
        return super().sample(batch, shots, seed)


@pytest.mark.parametrize("allocation", overlap.ALLOCATIONS)
def test_a_selection_finds_the_best_in_one_submission_a_round(allocation: str) -> None:
    rng = random(6)
    states = METRICS["cosine"].encode(vectors(rng, 12, 3))
    query = METRICS["cosine"].encode_query(vectors(rng, 3))
    exact, backend = fidelity(query, states), Counting()
    eps = 0.1
    options = {"shots": 3000} if allocation == "uniform" else {"first": 100}
    found = overlap.select(
        overlap.ask(states, query), 3, backend, allocation=allocation, eps=eps, seed=3, **options
    )
    assert np.all(exact[found.order[found.certified]] >= np.sort(exact)[-3] - eps)
    assert len(backend.calls) == found.rounds
    assert sum(rows * shots for rows, shots in backend.calls) == found.shots.sum()
    most = overlap.estimate_selection(
        overlap.ask(states, query), backend, allocation=allocation, eps=eps, **options
    )
    assert found.shots.sum() <= most.shots and str(most.price) == "0 USD"


@pytest.mark.parametrize("method", METHODS)
def test_scores_of_a_selection_are_decayed(method: str) -> None:
    rng = random(7, len(method))
    weights, states, query = an_item(rng, "cosine", 2, 3)
    eta = np.array([1.0, 0.5, 0.1])
    items = np.repeat(superposed(weights, states, 1)[None], 3, axis=0)
    for context in (None, "b"):
        number = None if context is None else 1
        asked = overlap.ask(items, query, method=method, n_context=1, context=number)
        found = overlap.select(asked, 3, allocation="uniform", shots=4000, eta=eta, seed=5)
        wanted = [
            measure(
                ["a", "b"], weights, states, query, context, eta=e, data_qubits=2, context_qubits=1
            ).score
            for e in eta
        ]
        assert np.all(np.abs(found.scores - wanted) < 5 * found.standard_errors)
        assert found.standard_errors[2] < found.standard_errors[0]


def test_races_on_circuits_spend_less_than_uniform_shots() -> None:
    rng = random(8)
    states = METRICS["cosine"].encode(vectors(rng, 30, 3))
    query = METRICS["cosine"].encode_query(vectors(rng, 3))
    found = overlap.select(overlap.ask(states, query), 3, seed=1)
    assert found.certified.all()
    assert found.shots.sum() < 0.65 * 30 * sum(racing.racing_steps())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"method": "swop"}, "swap"),
        ({"context": 2, "n_context": 1}, "context that is not there"),
        ({"context": 0, "coherent": True}, "not both"),
    ],
)
def test_tests_that_make_no_sense_are_refused(arguments, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        overlap.ask([[1.0, 0, 0, 0]], [1.0, 0.0], **arguments)


def test_amplitudes_that_are_no_states_are_refused() -> None:
    with pytest.raises(InputError, match="no quantum state"):
        overlap.ask([[1.0, 1.0]], [1.0, 0.0])
    with pytest.raises(InputError, match="no quantum state"):
        overlap.ask([[1.0, 0.0]], [np.nan, 0.0])
    with pytest.raises(InputError, match="complex"):
        OverlapTest("swap", 1).inputs([1j, 0], [[1.0, 0.0]])
    with pytest.raises(InputError, match="do not fit"):
        overlap.ask([[1.0, 0.0]], [1.0, 0.0, 0.0])
    with pytest.raises(InputError, match="one query"):
        overlap.ask(np.eye(2)[[0, 1, 0]], np.eye(2))
    with pytest.raises(ConfigurationError, match="more contexts"):
        superposed([0.5, 0.25, 0.25], [1.0, 0.0], 1)


def test_what_is_no_backend_is_refused() -> None:
    asked = overlap.ask([[1.0, 0.0]], [1.0, 0.0])
    with pytest.raises(ConfigurationError, match="arrays.get"):
        overlap.measure(asked, "qsim")
    with pytest.raises(ConfigurationError, match="shared out"):
        overlap.select(asked, 1, allocation="even")


class WithoutStates(running.Reference):
    """A backend that is exact, but tells expectations alone."""

    class capabilities:  # noqa: N801
        state_vector, exact, dtypes = False, True, ("float64",)

    def expectation(self, batch, observables):
        return reference.expectation(batch.program, observables, batch.inputs, batch.theta)


@pytest.mark.parametrize("method", METHODS)
def test_expectations_do_where_there_are_no_states(method: str) -> None:
    rng = random(9, len(method))
    weights, states, query = an_item(rng, "cosine", 2, 1)
    item = superposed(weights, states, 1)
    for context in (None, 1):
        asked = overlap.ask(item, query, method=method, n_context=1, context=context)
        found = overlap.measure(asked, WithoutStates()).values
        np.testing.assert_allclose(found, overlap.measure(asked).values, atol=1e-9)


def test_an_observable_of_too_many_strings_is_refused() -> None:
    test = OverlapTest("inversion", n_data=13)
    with pytest.raises(ConfigurationError, match="shots="):
        running._diagonal(test.n_qubits, test.values)


def test_no_items_take_no_run() -> None:
    asked = overlap.ask(np.zeros((0, 2)), [1.0, 0.0])
    assert overlap.measure(asked, shots=10).values.size == 0
    assert overlap.select(asked, 3).order.size == 0
