"""Keys differ where anything that was asked differs; values come back as they were."""

import itertools

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qstore_tf.store.cache.values import key_of, pack, unpack
from qstore_tf.testing.daily import daily_seed

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ARRAYS = arrays.arrays(
    st.sampled_from(["f4", "f8", "c8", "c16", "i8", "u1", "?"]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


def test_no_two_questions_share_a_key():
    asked = [
        {},
        {"k": 1},
        {"k": True},
        {"k": 1.0},
        {"k": "1"},
        {"k": None},
        {"k": [1]},
        {"k": [[1]]},
        {"k": [1, 2]},
        {"k": [12]},
        {"k": ["1,2"]},
        {"k": ["1", "2"]},
        {"k": {"a": 1}},
        {"ka": 1},
        {"k": {"a": {"b": 1}}},
        {"k": {"a": {}, "b": 1}},
        {"k": np.zeros(2, np.float32)},
        {"k": np.zeros(1, np.float64)},
        {"k": np.zeros((2, 1), np.float32)},
        {"k": np.zeros((1, 2), np.float32)},
        {"k": np.zeros(2, np.int32)},
        {"k": -np.zeros(2, np.float32)},
    ]
    keys = [key_of(2, **one) for one in asked]
    keys += [key_of(3), key_of(-2), key_of(2 + (1 << 62))]
    for one, two in itertools.combinations(keys, 2):
        assert one != two


def test_a_key_depends_on_values_alone():
    query = np.arange(12, dtype=np.float32).reshape(3, 4)
    key = key_of(2, vector=query[:, ::2], weights={"a": 0.5, "b": 0.5}, k=3)
    again = key_of(2, k=np.int64(3), weights={"b": 0.5, "a": 0.5}, vector=query[:, ::2] * 1)
    assert key == again
    assert key == "0000000000000002:" + key.rpartition(":")[2]


@pytest.mark.parametrize("value", [object(), np.array([object()]), {1, 2}, b"x"])
def test_what_has_no_form_of_its_own_has_no_key(value):
    with pytest.raises(TypeError, match="has no key|have no key"):
        key_of(2, value=value)


@seed(daily_seed())
@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(max_size=5), PLAIN | ARRAYS, max_size=5))
def test_values_come_back_as_they_were(value):
    found = unpack(pack(value))
    assert list(found) == list(value)
    for name, one in value.items():
        if isinstance(one, np.ndarray):
            assert found[name].dtype == one.dtype
            assert found[name].shape == one.shape
            assert found[name].tobytes() == one.tobytes()
        else:
            assert repr(found[name]) == repr(one)


@seed(daily_seed())
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_bytes_that_were_changed_are_not_read(data):
    packed = pack({"ids": ["a", "b"], "scores": np.array([0.5, 0.25])})
    place = data.draw(st.integers(0, len(packed) - 1))
    other = bytes([packed[place] ^ data.draw(st.integers(1, 255))])
    assert unpack(packed[:place] + other + packed[place + 1 :]) is None
    assert unpack(packed[:place]) is None
    assert unpack(packed + b"x") is None


def test_objects_are_not_cached():
    with pytest.raises(TypeError):
        pack({"a": object()})
    with pytest.raises(TypeError, match="cannot be cached"):
        pack({"a": np.array([object()])})
