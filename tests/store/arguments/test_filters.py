"""Filters are read as documented, and each wrong one is told what is wrong."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstore_tf.errors import FilterError
from qstore_tf.store.arguments.filters import (
    LONGEST,
    And,
    Compare,
    matches,
    needed_texts,
    parse_filter,
)
from qstore_tf.store.catalog import Catalog, metadata, namespaces
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.testing import postgres
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.store_records import TEXTS, random_filter, random_metadata

ITEM = {"year": 2021, "kind": "b", "tags": ["new", "red"], "sold": True, "price": 1.5}


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({}, True),
        ({"year": 2021}, True),
        ({"year": 2021.0}, True),
        ({"year": {"$eq": 2020}}, False),
        ({"year": {"$ne": 2020}}, True),
        ({"year": {"$gt": 2020, "$lte": 2021}}, True),
        ({"year": {"$gt": 2021}}, False),
        ({"year": {"$gte": 2021}}, True),
        ({"year": {"$lt": 2021}}, False),
        ({"year": {"$in": [1, 2021]}}, True),
        ({"year": {"$nin": [1, 2021]}}, False),
        ({"kind": {"$gt": "a"}}, True),
        ({"kind": {"$gt": 0}}, False),
        ({"kind": {"$lt": 0}}, False),
        ({"tags": "new"}, True),
        ({"tags": {"$in": ["old", "red"]}}, True),
        ({"tags": {"$nin": ["old", "red"]}}, False),
        ({"tags": {"$ne": "old"}}, True),
        ({"tags": {"$gt": "a"}}, False),
        ({"sold": True}, True),
        ({"sold": 1}, False),
        ({"sold": {"$gt": 0}}, False),
        ({"absent": {"$ne": 1}}, True),
        ({"absent": {"$nin": [1]}}, True),
        ({"absent": 1}, False),
        ({"absent": {"$exists": False}}, True),
        ({"absent": {"$exists": True}}, False),
        ({"kind": {"$exists": True}}, True),
        ({"$or": [{"kind": "a"}, {"price": {"$lt": 2}}]}, True),
        ({"$and": [{"kind": "a"}, {"price": {"$lt": 2}}]}, False),
        ({"$not": {"kind": "a"}}, True),
        ({"kind": "b", "$not": {"year": 2021}}, False),
    ],
)
def test_filters_hold_where_their_definition_says(filter, expected):
    assert matches(parse_filter(filter), ITEM) is expected


@pytest.mark.parametrize(
    ("filter", "words"),
    [
        (["year"], "a dict"),
        ({"year": {"$gtt": 1}}, r"unknown operator.*\$gte.*'\$gtt'"),
        ({"year": {"gt": 1}}, "unknown operator"),
        ({"year": {}}, "names no operator"),
        ({"year": None}, "a string, a number or a bool"),
        ({"year": [1]}, "a string, a number or a bool"),
        ({"year": {"$gt": True}}, "a number or a string"),
        ({"year": {"$gt": float("nan")}}, "a number or a string"),
        ({"year": {"$in": 3}}, "a list"),
        ({"year": {"$in": [[3]]}}, "a list"),
        ({"year": {"$in": list(range(LONGEST + 1))}}, "at most 1000"),
        ({"year": {"$exists": 1}}, "True or False"),
        ({"$and": {"a": 1}}, "a list of at least one filter"),
        ({"$or": []}, "a list of at least one filter"),
        ({"$nor": [{"a": 1}]}, r"\$and, \$or, \$not"),
        ({3: 1}, "the name of a metadata key"),
        ({"$or": [{"a": 1}] * (LONGEST + 1)}, "more than 1000 comparisons"),
    ],
)
def test_wrong_filters_are_refused(filter, words):
    with pytest.raises(FilterError, match=words):
        parse_filter(filter)


def test_deep_nesting_is_refused_before_python_gives_up():
    filter = {"a": 1}
    for _ in range(100_000):
        filter = {"$not": filter}
    with pytest.raises(FilterError, match="nested"):
        parse_filter(filter)


FILTERS = st.recursive(
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 2), max_size=2),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"$not": inner}),
        st.fixed_dictionaries({"$and": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"$or": st.lists(inner, min_size=1, max_size=2)}),
    ),
    max_leaves=6,
)


@given(FILTERS, FILTERS, st.dictionaries(st.sampled_from("ab"), st.integers(0, 2)))
def test_de_morgan(left, right, metadata):
    def holds(filter):
        return matches(parse_filter(filter), metadata)

    assert holds({"$not": {"$and": [left, right]}}) == holds(
        {"$or": [{"$not": left}, {"$not": right}]}
    )


def test_a_plain_value_is_an_equality():
    assert parse_filter({"a": 1}) == And((Compare("a", "eq", 1),))


ODD = ["%", "_x", "\\", 'say "a"', "é", "A", "a" * 300, "a\nb", "\x7f", "\u2028", "7"]
ODD_NUMBERS = [0, -0.0, 1e18, 10**18, 10**18 + 1, 2**53 + 1, 1e-7, 1e300, 10**300, -3.0, 1e22]


def test_what_a_filter_needs_stands_in_all_that_satisfies_it():
    rng = np.random.default_rng([daily_seed(), 41])
    satisfied = needed = 0
    for _ in range(5000):
        tree, item = parse_filter(random_filter(rng, 2)), random_metadata(rng)
        if matches(tree, item):
            satisfied += 1
            for ascii in (True, False):
                text = json.dumps(item, ensure_ascii=ascii, separators=(",", ":"))
                for clause in needed_texts(tree):
                    needed += 1
                    assert any(part in text for part in clause), (tree, item)
    assert satisfied > 500 and needed > 500


@pytest.mark.parametrize("place", ["file", "server"])
def test_deleting_by_a_filter_removes_what_satisfies_it(place):
    if place == "server" and not postgres.is_available():
        pytest.skip("needs a PostgreSQL server")
    rng = np.random.default_rng([daily_seed(), 42])
    texts = [*TEXTS, *ODD]
    stored = [random_metadata(rng) for _ in range(150)]
    stored += [{text or "empty": text, "l": [text]} for text in texts]
    stored += [{"n": number, "more": 1} for number in ODD_NUMBERS if abs(number) <= 2**53]
    stored += [{"n": float(number)} for number in ODD_NUMBERS]
    names = [f"i{n}" for n in range(len(stored))]
    filters = [random_filter(rng, 2) for _ in range(15)]
    filters += [{"l": text} for text in texts] + [{text: text} for text in ODD]
    filters += [{"n": number} for number in ODD_NUMBERS] + [{"n": {"$in": ODD_NUMBERS}}]
    filters += [{"t": {"$in": texts}}, {"$or": [{"t": "a"}, {"l": {"$in": ["ab", "%"]}}]}, {}]
    opened = postgres.fresh_database() if place == "server" else contextlib.nullcontext()
    with opened as url, QuantumDatabase(url) as db:
        for filter in filters[:: 3 if url else 1]:
            db.upsert_many(names, np.ones((len(names), 2)), metadata=stored).check()
            tree = parse_filter(filter)
            kept = [n for n, item in zip(names, stored, strict=True) if not matches(tree, item)]
            assert db.delete(filter=filter) == len(names) - len(kept), filter
            assert sorted(db.list(limit=1000).ids) == sorted(kept), filter


def test_what_cannot_satisfy_a_filter_is_not_read():
    with QuantumDatabase() as db:
        db.insert_many(
            ["a", "b", "c"], np.eye(3), metadata=[{"kind": "x"}, {"kind": "y"}, {"other": "x"}]
        )
        catalog: Catalog = db._catalog
        with catalog.read() as reader:
            space = namespaces.get(reader, "default")
            needed = needed_texts(parse_filter({"kind": "x"}))
            assert len(list(metadata.texts(reader, space, needed))) == 1
            assert len(list(metadata.texts(reader, space))) == 3
