"""States in memory: what is prepared, what a measurement leaves, what time does."""

import numpy as np
import pytest

from qstore_tf.errors import ConfigurationError, InputError, NotFoundError
from qstore_tf.store.definitions import decoherence
from qstore_tf.store.definitions.encoding import METRICS
from qstore_tf.store.definitions.measurement import fidelity
from qstore_tf.store.definitions.state_manager import StateManager
from qstore_tf.testing.daily import daily_seed


def random(*case: int) -> np.random.Generator:
    return np.random.default_rng([daily_seed(), *case])


def test_a_superposition_has_the_weights_and_vectors_of_its_contexts() -> None:
    rng = random(1)
    vectors = rng.normal(size=(2, 5))
    state = StateManager().create_superposition(vectors, [("a", 0.3), ("b", 0.7)])
    assert state.contexts == ("a", "b") and state.weights.tolist() == [0.3, 0.7]
    np.testing.assert_allclose(state.vectors, METRICS["cosine"].encode(vectors), atol=1e-12)
    even = StateManager().create_superposition(vectors[0], ["a", "b", "c"])
    np.testing.assert_allclose(even.weights, 1 / 3)
    np.testing.assert_allclose(even.vectors, np.tile(even.vectors[0], (3, 1)))
    alone = StateManager().create_superposition(vectors[0])
    assert alone.contexts == ("",)


def test_a_measurement_of_a_context_leaves_its_vector_and_the_stored_state_alone() -> None:
    rng = random(2)
    manager = StateManager()
    state = manager.create_superposition(rng.normal(size=(2, 5)), [("a", 0.3), ("b", 0.7)])
    query = METRICS["cosine"].encode_query(rng.normal(size=5))
    found = manager.measure_with_context(state, "b")
    assert (found.context, found.probability) == ("b", 0.7)
    # Born: the chance of the context times the fidelity after it is the joint score.
    joint = state.measure(query, "b").score
    alone = found.state.measure(query).score
    assert found.probability * alone == pytest.approx(joint, abs=1e-12)
    assert alone == pytest.approx(fidelity(query, state.vectors[1]), abs=1e-12)
    assert manager.get_coherent_states()[0].weights.tolist() == [0.3, 0.7]


def test_contexts_are_drawn_by_their_probabilities() -> None:
    manager, count = StateManager(), 2000
    state = manager.create_superposition([1.0, 2.0], [("a", 0.2), ("b", 0.8)])
    rng = random(3)
    drawn = [manager.measure_with_context(state, seed=rng).context for _ in range(count)]
    assert abs(drawn.count("a") / count - 0.2) < 5 * np.sqrt(0.2 * 0.8 / count)
    same = {manager.measure_with_context(state, seed=4).context for _ in range(5)}
    assert len(same) == 1


def test_time_is_a_semigroup_and_ends_states_when_it_was_foretold() -> None:
    tau, threshold = 500.0, 0.1
    end = float(decoherence.expires_at(0.0, tau, threshold))
    once, twice = (StateManager("cosine", tau, threshold) for _ in range(2))
    for manager in (once, twice):
        manager.create_superposition([1.0, 2.0])
    assert once.apply_decoherence(end - 1e-6) == 0
    for part in (0.3, 0.7):
        assert twice.apply_decoherence((end - 1e-6) * part) == 0
    one, other = once.get_coherent_states()[0], twice.get_coherent_states()[0]
    assert one.coherence == pytest.approx(other.coherence, abs=1e-12)
    assert one.coherence == pytest.approx(threshold, rel=1e-6)
    assert one.purity() == pytest.approx(decoherence.purity(one.coherence, 4), abs=1e-12)
    assert once.apply_decoherence(2e-6) == 1 and once.get_coherent_states() == []


def test_each_state_has_its_own_coherence_time_and_age() -> None:
    manager = StateManager(coherence_time=100.0)
    manager.create_superposition([1.0], ["old"])
    manager.apply_decoherence(50.0)
    manager.create_superposition([1.0], ["young"])
    manager.create_superposition([1.0], ["for ever"], coherence_time=float("inf"))
    manager.apply_decoherence(50.0)
    states = {state.contexts[0]: state.coherence for state in manager.get_coherent_states()}
    assert states == pytest.approx({"old": np.exp(-1), "young": np.exp(-0.5), "for ever": 1.0})
    assert manager.apply_decoherence(1e9) == 2
    assert [s.contexts for s in manager.get_coherent_states()] == [("for ever",)]


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda m: m.create_superposition([[1.0], [2.0]], ["a"]), InputError, "do not fit"),
        (lambda m: m.create_superposition([1.0], []), InputError, "do not fit"),
        (lambda m: m.create_superposition([1.0], [("a", 0.5)]), InputError, "probabilities"),
        (lambda m: m.create_superposition([0.0], ["a"]), InputError, "zero"),
        (lambda m: m.create_superposition([1.0], ["a"], 0.0), ConfigurationError, "coherence time"),
        (lambda m: m.apply_decoherence(-1.0), ConfigurationError, "back"),
        (lambda m: StateManager(coherence_threshold=0.0), ConfigurationError, "threshold"),
        (
            lambda m: m.measure_with_context(m.create_superposition([1.0], ["river"]), "rivet"),
            NotFoundError,
            "'river'",
        ),
        (
            lambda m: m.measure_with_context(
                m.create_superposition([1.0], [("a", 0.0), ("b", 1.0)]), "a"
            ),
            NotFoundError,
            "no part",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message: str) -> None:
    with pytest.raises(error, match=message):
        call(StateManager())
