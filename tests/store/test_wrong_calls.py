"""What users do by mistake, and what must not harm what is stored."""

import asyncio
import copy
import pickle

import numpy as np
import pytest

from qstore_tf.errors import ConfigurationError, InputError, ItemError, NotFoundError, StoreError
from qstore_tf.store.aio import AsyncQuantumDatabase
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.definitions.decoherence import ManualClock
from qstore_tf.store.records import Context


@pytest.fixture
def db():
    with QuantumDatabase() as database:
        yield database


@pytest.mark.parametrize("contexts", [[], [("p", 1.0)], [("p", 0.5, [1.0, 0.0]), ("q", 0.5)]])
def test_an_update_leaves_no_item_without_a_vector(db, contexts):
    own = [("p", 0.5, [1.0, 0.0]), ("q", 0.5, [0.0, 1.0])]
    db.insert("a", contexts=own)
    with pytest.raises(ItemError, match="has no vector"):
        db.update("a", contexts=contexts)
    assert [c.vector.tolist() for c in db.get("a").contexts] == [[1.0, 0.0], [0.0, 1.0]]
    db.insert("b", [1.0, 1.0], own)
    db.update("b", contexts=contexts)
    assert db.get("b").vector.tolist() == [1.0, 1.0]


def test_an_update_has_one_source_of_vectors(db):
    db.insert("a", contexts=[("p", 1.0, [1.0, 0.0])])
    with pytest.raises(ConfigurationError, match="one context"):
        db.update("a", [3.0, 3.0], context="p", contexts=[("p", 1.0, [1.0, 0.0])])


def test_vectors_of_contexts_count_for_the_longest():
    """Feedback uses the longest vector of the namespace: the lift needs it."""
    entries = [("x", 0.5, [1.0, 0.0]), ("y", 0.5, [10.0, 0.0])]
    with QuantumDatabase(metric="dot") as fresh, QuantumDatabase(metric="dot") as changed:
        fresh.insert("a", contexts=entries)
        changed.insert("a", contexts=[("x", 0.5, [1.0, 0.0]), ("y", 0.5, [1.0, 0.0])])
        changed.update("a", contexts=entries)
        assert changed.feedback("a", [1.0, 0.0]) == fresh.feedback("a", [1.0, 0.0])


def test_a_transaction_keeps_what_it_was_given(db):
    vector, metadata = np.array([1.0, 0.0]), {"tags": ["x"]}
    rows = np.eye(2)
    with db.transaction() as batch:
        batch.insert("a", vector, metadata=metadata)
        batch.insert_many(["c", "d"], rows)
        vector[:], rows[:] = [0.0, 1.0], 7.0
        metadata["tags"].append("y")
        batch.insert("b", vector, metadata=metadata)
    assert [item.vector.tolist() for item in db.get_many(list("abcd"))] == [
        [1.0, 0.0],
        [0.0, 1.0],
        [1.0, 0.0],
        [0.0, 1.0],
    ]
    assert db.get("a").metadata == {"tags": ["x"]}
    assert db.get("b").metadata == {"tags": ["x", "y"]}


def test_what_can_be_read_but_once_is_read_once(db):
    db.insert("a", contexts=iter([("x", 1.0, [1.0, 0.0])]))
    db.insert_many(
        (name for name in "bc"),
        ([1.0, n] for n in range(2)),
        metadata=({"n": n} for n in range(2)),
        coherence_time=(5e9 for _ in range(2)),
    ).check()
    assert db.get("a").contexts[0].vector.tolist() == [1.0, 0.0]
    assert db.get("c").metadata == {"n": 1} and db.get("c").coherence_time == 5e9


def test_one_name_is_no_list_of_letters(db):
    db.insert_many(["a", "b", "ab"], [[1.0, 0.0]] * 3)
    assert [item.id for item in db.get_many("ab")] == ["ab"]
    assert db.tunnel_search([1.0, 0.0], search_space="ab").ids == ["ab"]
    with pytest.raises(ItemError, match="one name"):
        db.insert_many("xy", [[1.0, 0.0]] * 2)
    with pytest.raises(ValueError, match="at least two"):
        db.create_entangled_group("g", "ab", 0.5)
    assert db.count() == 3


@pytest.mark.parametrize(
    ("value", "back"),
    [(np.int64(3), 3), (np.float32(0.5), 0.5), (np.bool_(True), True), (np.str_("x"), "x")],
)
def test_metadata_takes_numbers_of_tables(db, value, back):
    db.insert("a", [1.0, 0.0], metadata={"n": value})
    db.insert("b", [1.0, 0.0])
    db.update("b", metadata={"n": value})
    for name in "ab":
        found = db.get(name).metadata["n"]
        assert found == back and type(found) is type(back)
    assert db.count(filter={"n": back}) == 2


@pytest.mark.parametrize("value", [np.nan, np.float32("inf"), np.complex64(1j), 1j])
def test_metadata_refuses_what_is_no_number_of_json(db, value):
    with pytest.raises(ItemError, match="key 'n'"):
        db.insert("a", [1.0, 0.0], metadata={"n": value})


@pytest.mark.parametrize("contexts", ["work", {"x": 1.0}, 5])
def test_contexts_are_a_list(db, contexts):
    db.insert("a", [1.0, 0.0])
    for verb, name in ((db.insert, "b"), (db.update, "a")):
        with pytest.raises(ItemError, match="a list of"):
            verb(name, contexts=contexts)


def test_columns_that_are_none(db):
    with pytest.raises(ItemError, match="ids and metadata differ"):
        db.insert_many(["a"], [[1.0, 0.0]], metadata=5)
    with pytest.raises(ItemError, match="ids and vectors differ"):
        db.insert_many(["a"], np.float64(5))
    db.insert("a", [1.0, 0.0])
    with pytest.raises(ItemError, match="Metadata cannot be read"):
        db.update("a", metadata="x")


def test_one_query_is_one_vector(db):
    db.insert("a", [1.0, 0.0])
    with pytest.raises(ItemError, match="query_many"):
        db.query([[1.0, 0.0]])


def test_a_namespace_that_is_not_there_is_named(db):
    with pytest.raises(NotFoundError, match="'default'.*first item"):
        db.query([1.0, 0.0])
    db.insert("a", [1.0, 0.0], contexts=[Context("x", 1.0)])
    assert db.query([1.0, 0.0]).ids == ["a"]
    db.delete_namespace("default")
    with pytest.raises(NotFoundError, match="'default'"):
        db.query([1.0, 0.0])
    assert not db._indexes._entries  # nothing of it is kept in memory
    db.insert("b", [1.0, 0.0, 0.0])
    assert db.query([1.0, 0.0, 0.0]).ids == ["b"]


def test_a_transaction_leaves_out_no_row(db):
    with pytest.raises(ItemError, match="zeros"), db.transaction() as batch:
        batch.insert("a", [1.0, 0.0])
        batch.insert_many(["b", "c"], [[1.0, 0.0], [0.0, 0.0]])
    assert db.count() == 0
    with pytest.raises(ItemError, match="name"), db.transaction() as batch:
        batch.insert_many(["b", 5], [[1.0, 0.0], [0.0, 1.0]])
    assert db.count() == 0


def test_a_basis_is_made_of_numbers(db):
    db.insert("a", [1.0, 0.0])
    with pytest.raises(InputError, match="orthonormal"):
        db.define_context("c", [[np.nan], [np.nan]])


@pytest.mark.parametrize(
    "wrong",
    [{"prefix": 5}, {"prefix": None}, {"page_token": 5}],
)
def test_pages_are_named_by_strings(db, wrong):
    db.insert("a", [1.0, 0.0])
    with pytest.raises(ItemError, match=next(iter(wrong))):
        db.list(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"seed": "x"}, {"seed": -1}, {"shots": -1}, {"shots": 1.5}, {"shots": True}]
    + [{"shots": 5, "candidates": 0}, {"shots": 5, "candidates": 2.0}],
)
def test_options_of_queries_are_checked(db, wrong):
    db.insert_many(["a", "b", "c"], np.eye(3))
    with pytest.raises(ConfigurationError, match=list(wrong)[-1]):
        db.query([1.0, 0.0, 0.0], diversity="born", top_k=2, **wrong)


def test_a_wrong_coherence_time_is_shown_as_it_was(db):
    with pytest.raises(ItemError, match="'5'"):
        db.insert("a", [1.0, 0.0], coherence_time="5")


def test_nothing_decays_where_decay_is_switched_off():
    clock = ManualClock(0.0)
    with QuantumDatabase(clock=clock, enable_decoherence=False) as db:
        db.insert("a", [1.0, 0.0], coherence_time=5.0)
        db.insert("b", [1.0, 1.0])
        clock.advance(100.0)
        best, second = db.query([1.0, 0.0])
        assert best.score == 1.0 and best.coherence == second.coherence == 1.0
        assert db.get("a").coherence == 1.0 and db.get("a").coherence_time == 5.0


def test_a_closed_database_says_so_to_those_who_await_it():
    async def use():
        db = AsyncQuantumDatabase()
        await db.insert("a", [1.0, 0.0])
        await db.close()
        await db.close()
        with pytest.raises(StoreError, match="closed"):
            await db.get("a")

    asyncio.run(use())


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_database_is_opened_and_not_copied(db, take):
    with pytest.raises(TypeError, match="open it there"):
        take(db)
