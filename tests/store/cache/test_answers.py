"""Results come back as they were, and share nothing with what is kept."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from qstore_tf.store.cache.answers import decode, encode
from qstore_tf.store.cache.values import _HEAD, _MAGIC, pack, unpack
from qstore_tf.store.records import Match, QueryResult
from qstore_tf.testing.daily import daily_seed

NUMBERS = st.floats(allow_nan=False)
METADATA = st.dictionaries(
    st.text(max_size=3),
    st.text(max_size=3) | st.integers() | st.booleans() | NUMBERS | st.lists(st.text(max_size=3)),
    max_size=3,
)


@st.composite
def results(draw):
    with_metadata, with_vectors, with_basins = (draw(st.booleans()) for _ in range(3))
    is_complex = draw(st.booleans())

    def match():
        numbers = [draw(NUMBERS) for _ in range(5)]
        vector = np.array(draw(st.lists(st.floats(-9, 9), min_size=3, max_size=3)), np.float32)
        found = Match(draw(st.text(max_size=5)), *numbers)
        return dataclasses.replace(
            found,
            metadata=draw(METADATA) if with_metadata else None,
            vector=(vector + 1j if is_complex else vector) if with_vectors else None,
            **dict(zip(("energy", "barrier", "transmission"), numbers, strict=False))
            if with_basins
            else {},
            path=tuple(draw(st.lists(st.text(max_size=3)))) if with_basins else (),
        )

    return QueryResult(
        tuple(match() for _ in range(draw(st.integers(0, 4)))),
        mode=draw(st.sampled_from(["precise", "balanced"])),
        commit=draw(st.integers(0, 9)),
        expected_precision=draw(NUMBERS),
        certified=draw(st.booleans()),
        oracle_calls=draw(st.none() | st.integers(0, 9)),
        classical_calls=draw(st.none() | st.integers(0, 9)),
    )


def plain(result):
    """A result as text, exact to the last bit."""
    as_dict = dataclasses.asdict(result)
    for match in as_dict["matches"]:
        if match["vector"] is not None:
            match["vector"] = (match["vector"].dtype.str, match["vector"].tobytes())
    return repr(as_dict)


@seed(daily_seed())
@settings(max_examples=150, deadline=None)
@given(results())
def test_results_come_back_as_they_were(result):
    for value in (encode(result), unpack(pack(encode(result)))):
        found = decode(value, 12)
        assert plain(found) == plain(dataclasses.replace(result, commit=12))


def test_what_a_caller_changes_is_his_alone():
    result = QueryResult(
        (Match("a", 1.0, 1.0, metadata={"tags": ["x"]}, vector=np.ones(2, np.float32)),)
    )
    value = encode(result)
    for found in (result, decode(value, 1)):
        found[0].metadata["tags"].append("y")
        found[0].metadata["more"] = 1
        found[0].vector[:] = 7
    again = decode(value, 1)
    assert again[0].metadata == {"tags": ["x"]}
    assert again[0].vector.tolist() == [1, 1]


GOOD = encode(QueryResult((Match("a", 1.0, 1.0, metadata={}),)))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"ids": ["a"]},
        GOOD | {"ids": ["a", "b"]},
        GOOD | {"ids": [1]},
        GOOD | {"ids": None},
        GOOD | {"numbers": [1.0]},
        GOOD | {"numbers": np.zeros((5, 1), np.complex128)},
        GOOD | {"numbers": np.zeros((4, 1))},
        GOOD | {"numbers": np.zeros(3)},
        GOOD | {"metadata": "{"},
        GOOD | {"metadata": None},
        GOOD | {"metadata": "[{}, {}]"},
        GOOD | {"metadata": "[" * 100_000},
        GOOD | {"vectors": np.zeros((2, 2))},
        GOOD | {"paths": [1]},
        GOOD | {"result": {}},
        GOOD | {"result": 5},
    ],
    ids=repr,
)
def test_what_is_no_result_is_none(value):
    assert decode(GOOD, 1).ids == ["a"]
    assert decode(value, 1) is None


def forged(head, data=b""):
    """Bytes whose digest is right."""
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    body = _HEAD.pack(len(text)) + text + data
    return _MAGIC + hashlib.blake2b(body, digest_size=16).digest() + body


@pytest.mark.parametrize(
    "data",
    [
        _MAGIC + hashlib.blake2b(b"", digest_size=16).digest(),
        forged(b"{"),
        forged(b"\xff"),
        forged(b"[" * 100_000),
        forged([]),
        forged([["a"], {}, []]),
        forged([["a"], 7, []]),
        forged([[[]], {}, []]),
        forged([["a"], {}, [["a", "O", [1]]]], b"\0" * 8),
        forged([["a"], {}, [["a", "V8", [1]]]], b"\0" * 8),
        forged([["a"], {}, [["a", "no type", [1]]]], b"\0" * 8),
        forged([["a"], {}, [["a", "f8", [2**60]]]], b"\0" * 8),
        forged([["a"], {}, [["a", "f8", [-1]]]], b"\0" * 8),
        forged([["a"], {}, [["a", "f8", ["x"]]]], b"\0" * 8),
        forged([["a"], {}, [["a", "f8", None]]], b"\0" * 8),
    ],
    ids=lambda data: repr(data[19:70]),
)
def test_forged_bytes_are_none_and_run_nothing(data):
    assert unpack(data) is None or decode(unpack(data), 1) is None
