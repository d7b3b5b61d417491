"""Lifted vectors are unit states, whose fidelities order items as their metric does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.store.definitions.encoding import (
    METRICS,
    amplitudes,
    canonical_phase,
    inverse,
    metric_named,
)

ORDERS = {
    "cosine": lambda q, v: v @ q / np.linalg.norm(v, axis=1),
    "dot": lambda q, v: v @ q,
    "l2": lambda q, v: -np.linalg.norm(v - q, axis=1),
    "fidelity": lambda q, v: np.abs(v @ np.conj(q)) / np.linalg.norm(v, axis=1),
}
seeds = st.integers(0, 2**32 - 1)


def case(seed, metric, d, n=30):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n + 1, d)) * rng.uniform(0.1, 5, size=(n + 1, 1))
    if metric.is_complex and rng.integers(2):
        rows = rows + 1j * rng.normal(size=rows.shape)
    return rows[0], rows[1:]


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=30, deadline=None)
@given(seed=seeds, d=st.integers(1, 20), margin=st.sampled_from([1.0, 1.5]))
def test_fidelities_order_as_the_metric_and_scans_give_the_same(name, seed, d, margin):
    metric = METRICS[name]
    query, rows = case(seed, metric, d)
    longest = margin * np.linalg.norm(rows, axis=1).max()
    states, asked = metric.encode(rows, longest), metric.encode_query(query)
    assert (
        states.shape == (len(rows), metric.lifted_dimension(d)) and asked.shape == states.shape[1:]
    )
    size, qubits = metric.lifted_dimension(d), metric.n_qubits(d)
    assert states.shape == (len(rows), size)
    assert 2**qubits >= size > 2**qubits // 2
    np.testing.assert_allclose(np.linalg.norm(states, axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(asked), 1, atol=1e-12)

    overlaps = states @ np.conj(asked)
    scanned = amplitudes(
        metric, rows @ np.conj(query), np.linalg.norm(rows, axis=1), np.linalg.norm(query), longest
    )
    np.testing.assert_allclose(scanned, overlaps, atol=1e-12)
    measured = ORDERS[name](query, rows)
    fidelities = np.abs(overlaps) ** 2
    order = np.argsort(measured)
    assert np.all(np.diff(fidelities[order]) >= -1e-12)
    if name != "fidelity":
        assert np.all(overlaps >= -1e-12) and np.all(overlaps <= 1 + 1e-12)


def test_scans_keep_their_precision():
    inner = np.ones(3, np.float32)
    for metric in METRICS.values():
        assert amplitudes(metric, inner, np.ones(3), 2.0, 1.0).dtype == np.float32
        if metric.is_complex:
            assert amplitudes(metric, inner + 0j, np.ones(3), 1.0, 1.0).dtype == np.complex64


@settings(max_examples=30, deadline=None)
@given(seed=seeds, d=st.integers(1, 9), angle=st.floats(0, 6.3))
def test_canonical_phase_forgets_the_global_phase_alone(seed, d, angle):
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(4, d)) + 1j * rng.normal(size=(4, d))
    turned = canonical_phase(states * np.exp(1j * angle))
    np.testing.assert_allclose(turned, canonical_phase(states), atol=1e-12)
    np.testing.assert_allclose(np.abs(turned), np.abs(states), atol=1e-12)
    largest = np.take_along_axis(turned, np.abs(turned).argmax(1)[:, None], 1)
    np.testing.assert_allclose(largest.imag, 0, atol=1e-12)
    assert np.all(largest.real > 0)
    np.testing.assert_array_equal(canonical_phase(np.zeros(d)), np.zeros(d))


@pytest.mark.parametrize("bad", [np.zeros(3), [1.0, np.nan, 0], [np.inf, 0, 0], 3.0, ["a"] * 3])
def test_what_is_no_state_is_refused(bad):
    for name, metric in METRICS.items():
        with pytest.raises(InputError):
            metric.encode(bad, 5.0)
        if not (name == "l2" and np.all(np.asarray(bad) == 0)):
            with pytest.raises(InputError):
                metric.encode_query(bad)


def test_other_refusals():
    assert METRICS["l2"].encode_query(np.zeros(2)).shape == (5,)
    for name in ("cosine", "dot", "l2"):
        with pytest.raises(InputError, match="real vectors"):
            METRICS[name].encode([1j, 0])
    for name in ("dot", "l2"):
        with pytest.raises(InputError, match="longer"):
            METRICS[name].encode([3.0, 4.0], 4.9)
    with pytest.raises(ConfigurationError, match="cosine"):
        metric_named("cosin")
    np.testing.assert_array_equal(inverse(np.array([0.0, 2.0])), [0.0, 0.5])
