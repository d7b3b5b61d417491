"""Filters over columns hold where `matches` says so, for any metadata and any filter."""

import json
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.store.arguments.filters import COMPARISONS, And, Compare, Not, Or, matches
from qstore_tf.store.index.columns import Columns

TEXTS = ["", "a", "b", "ab", "ä", "1", "true"]
numbers = st.sampled_from(
    [0, 1, -1, 2, 2**53, 2**53 + 1, 2**53 + 2, -(2**53) - 1, 10**400, 0.0, -0.0, 1.0, 0.5, 1e300]
)
scalars = st.one_of(st.sampled_from(TEXTS), numbers, st.booleans())
values = st.one_of(scalars, st.lists(st.sampled_from(TEXTS), max_size=3))
keys = st.sampled_from(["x", "y", "with.dot"])
rows = st.lists(st.one_of(st.none(), st.dictionaries(keys, values, max_size=3)), max_size=12)


@st.composite
def compares(draw):
    operator = draw(st.sampled_from(COMPARISONS))
    value = draw(
        st.booleans()
        if operator == "exists"
        else st.lists(scalars, max_size=4).map(tuple)
        if operator in ("in", "nin")
        else scalars
    )
    return Compare(draw(st.one_of(keys, st.just("never"))), operator, value)


trees = st.recursive(
    compares(),
    lambda children: st.one_of(
        st.lists(children, max_size=3).map(lambda some: And(tuple(some))),
        st.lists(children, max_size=3).map(lambda some: Or(tuple(some))),
        children.map(Not),
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(metadata=rows, more=rows, tree=trees)
def test_columns_equal_the_definition(metadata, more, tree):
    texts = [None if row is None else json.dumps(row) for row in metadata]
    columns = Columns(texts)
    for count in (len(metadata), len(metadata) // 2):
        want = [matches(tree, row or {}) for row in metadata[:count]]
        assert columns.mask(tree, count).tolist() == want
    texts.extend(None if row is None else json.dumps(row) for row in more)
    want = [matches(tree, row or {}) for row in metadata + more]
    assert columns.mask(tree, len(texts)).tolist() == want


@pytest.mark.parametrize("operator", COMPARISONS)
def test_many_rows_at_once(operator):
    rng = np.random.default_rng(0)
    metadata = [{"x": int(v)} if v < 8 else {} for v in rng.integers(0, 10, 3000)]
    value = {"exists": True, "in": (1, 5), "nin": (1, 5)}.get(operator, 4)
    tree = Compare("x", operator, value)
    columns = Columns([json.dumps(row) for row in metadata])
    want = [matches(tree, row) for row in metadata]
    assert columns.mask(tree, 3000).tolist() == want and 0 < sum(want) < 3000


def test_readers_while_rows_come():
    texts = []
    columns, wrong = Columns(texts), []

    def read():
        for _ in range(200):
            count = len(texts)
            mask = columns.mask(Compare("x", "gte", 0), count)
            if mask.shape != (count,) or not mask.all():
                wrong.append(count)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(3000):
        texts.append(json.dumps({"x": i}))
    for thread in threads:
        thread.join()
    assert not wrong
