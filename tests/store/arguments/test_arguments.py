"""What cannot be stored is refused before anything is, in words that say what to do."""

import math

import numpy as np
import pytest

from qstore_tf.errors import ItemError
from qstore_tf.store.arguments.contexts import check_contexts
from qstore_tf.store.arguments.metadata import check_metadata
from qstore_tf.store.arguments.names import check_id
from qstore_tf.store.arguments.numbers import check_coherence_time, check_top_k
from qstore_tf.store.arguments.vectors import check_vector, check_vectors

BIG = 1e300


@pytest.mark.parametrize(
    ("id", "words"),
    [
        (3, r"expected: a string.*use str\(3\)"),
        ("", "1 to 512 bytes"),
        (None, "received: none"),
        ("a\0b", "without nul"),
        ("\ud800", "string of 1"),
        ("é" * 257, "512 bytes"),
    ],
)
def test_names(id, words):
    with pytest.raises(ItemError, match="(?i)" + words):
        check_id(id)
    assert check_id("é" * 256) == "é" * 256


@pytest.mark.parametrize(
    ("vector", "metric", "words"),
    [
        ([1, 2], "cosine", "dimension 3.*received: 2"),
        ([[1, 2, 3]], "cosine", r"numbers \[d\].*\(1, 3\)"),
        (1.0, "cosine", r"numbers \[d\].*\(\)"),
        ([0, 0, 0], "cosine", "vector of zeros"),
        ([0, 0, 0], "fidelity", "vector of zeros"),
        ([1, math.nan, 0], "cosine", "nan at position 1"),
        ([1, 0, math.inf], "l2", "inf at position 2"),
        ([2e9, 0, 0], "l2", "too large for float32"),
        ([1e-16, 0, 0], "cosine", "too small"),
        ([BIG, 0, 0], "cosine", "too large for float32"),
        (["a", "b", "c"], "cosine", "not made of numbers"),
        ([None, 1, 2], "cosine", "not made of numbers"),
        ([[1], [2, 3]], "cosine", "not made of numbers"),
        ([1j, 0, 0], "cosine", "complex"),
    ],
)
def test_vectors(vector, metric, words):
    with pytest.raises(ItemError, match="(?i)" + words):
        check_vector(vector, 3, metric)


def test_zeros_are_a_point_in_l2():
    assert not check_vector([0, 0, 0], 3, "l2").any()


def test_complex_states_need_a_namespace_for_them():
    with pytest.raises(ItemError, match="complex64"):
        check_vector([1j, 0], 2, "fidelity", np.dtype(np.float32))
    assert check_vector([1j, 0], 2, "fidelity").dtype == np.complex64


def test_batches_name_each_wrong_row():
    rows = np.eye(4, 3)
    rows[1] = math.nan
    stored, errors = check_vectors(rows, 3, "cosine")
    assert stored.shape == (4, 3) and stored.dtype == np.float32
    assert [error.index for error in errors] == [1, 3]
    with pytest.raises(ItemError, match="vector of zeros"):
        raise errors[1].error
    with pytest.raises(ItemError, match="one row of numbers for each item"):
        check_vectors([1.0, 2.0], 2, "cosine")


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ([1], "a dict"),
        ({"a": None}, "key 'a'.*leave the key out"),
        ({"a": {"b": 1}}, "key 'a'"),
        ({"a": [1]}, "list of strings"),
        ({"a": math.nan}, "finite"),
        ({"a": 2**53 + 1}, r"2\*\*53"),
        ({3: "a"}, "a string that does not begin"),
        ({"$a": 1}, "a string that does not begin"),
        ({"": 1}, "a string that does not begin"),
        ({"_version": 1}, "not _version or _in"),
        ({"a": "\ud800"}, "surrogate"),
        ({"a": "x" * 50_000}, "40960 bytes"),
        ({"a": np.array([1.0])}, "key 'a'"),
    ],
)
def test_metadata(metadata, words):
    with pytest.raises(ItemError, match="(?i)" + words):
        check_metadata(metadata)


def test_metadata_is_kept_as_text():
    assert check_metadata({"é": ["x", "y"], "b": True}) == '{"é":["x","y"],"b":true}'
    assert check_metadata({}) is None and check_metadata(None) is None


@pytest.mark.parametrize(
    ("contexts", "words"),
    [
        ([("a", 0.5)], "do not sum to 1.*'a': 0.5"),
        ([("a", 0.5), ("b", 0.6)], "do not sum to 1"),
        ([("a", 0.5), ("a", 0.5)], "a context twice"),
        ([("a", -0.5), ("b", 1.5)], "cannot be read"),
        ([("a", math.nan)], "cannot be read"),
        (["ab"], "cannot be read"),
        ([("a",)], "cannot be read"),
        ([(3, 1.0)], "name of a context"),
        ([("a" * 129, 1.0)], "too long"),
        ([(str(k), 1 / 6) for k in range(6)], "at most 5"),
        ([("a", 1.0, [1, 2, 3])], "dimension 2"),
    ],
)
def test_contexts(contexts, words):
    with pytest.raises(ItemError, match="(?i)" + words):
        check_contexts(contexts, 2, "cosine", 5)


def test_weights_come_out_as_probabilities():
    found = check_contexts([("a", 0.3333335), ("b", 0.666666, [1, 2])], 2, "cosine", 5)
    assert math.fsum(context.weight for context in found) == pytest.approx(1, abs=1e-15)
    assert found[0].vector is None and found[1].vector.tolist() == [1, 2]


@pytest.mark.parametrize("time", [0, -1, math.nan, "1", True])
def test_coherence_times(time):
    with pytest.raises(ItemError, match="positive number of milliseconds"):
        check_coherence_time(time)
    assert check_coherence_time(None) == math.inf
    assert check_coherence_time(5) == 5.0


@pytest.mark.parametrize("top_k", [0, -1, 1.5, "3", True, None])
def test_top_k(top_k):
    with pytest.raises(ItemError, match="at least 1"):
        check_top_k(top_k)
