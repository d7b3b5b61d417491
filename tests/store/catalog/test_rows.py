"""Namespaces, contexts, the history of steps, and what remote stores have still to be told."""

from __future__ import annotations

import numpy as np
import pytest

from qstore_tf.errors import NotFoundError
from qstore_tf.store.catalog import Catalog, Rows, groups, history, items, namespaces
from qstore_tf.testing.daily import daily_seed


def test_namespaces_keep_what_they_were_made_with(catalog: Catalog) -> None:
    settings = {"reduce": [1, 2.5, None], "text": "ä\n"}
    made = catalog.write(
        lambda w: namespaces.create(w, "p", 5, "dot", "complex64", settings, ["x", "y"])
    )
    with catalog.read() as reader:
        found = namespaces.get(reader, "p")
        assert found.number == made.number
        assert (found.name, found.dimension, found.metric) == ("p", 5, "dot")
        assert found.dtype == np.complex64
        assert found.settings == settings
        assert [c.name for c in found.contexts] == ["x", "y"]
        assert found.max_norm == 0
        assert namespaces.find(reader, "q") is None
        with pytest.raises(NotFoundError, match="'q'"):
            namespaces.get(reader, "q")


def test_the_longest_norm_only_rises(catalog: Catalog) -> None:
    number = catalog.write(lambda w: namespaces.create(w, "p", 5, "dot").number)
    for norm, expected in ((2.5, 2.5), (1.0, 2.5), (3.0, 3.0)):
        catalog.write(lambda w, norm=norm: namespaces.raise_max_norm(w, number, norm))
        with catalog.read() as reader:
            assert namespaces.get(reader, "p").max_norm == expected


@pytest.mark.parametrize("kind", [float, complex])
def test_contexts_are_declared_once_and_may_have_a_basis(catalog: Catalog, kind: type) -> None:
    rng = np.random.default_rng(daily_seed())
    basis = rng.standard_normal((5, 2)).astype(kind) * kind(1)
    number = catalog.write(lambda w: namespaces.create(w, "p", 5, "cosine").number)
    first = catalog.write(lambda w: namespaces.declare_context(w, number, "x"))
    second = catalog.write(lambda w: namespaces.declare_context(w, number, "x", basis))
    third = catalog.write(lambda w: namespaces.declare_context(w, number, "x"))
    assert first.number == second.number == third.number
    assert first.basis is None
    with catalog.read() as reader:
        (found,) = namespaces.get(reader, "p").contexts
    for row in (second, third, found):
        assert row.basis is not None
        assert np.array_equal(row.basis, basis)
        assert row.basis.dtype == basis.dtype


def test_numbers_are_never_given_twice(catalog: Catalog) -> None:
    seen = []
    for _ in range(3):
        made = catalog.write(lambda w: namespaces.create(w, "p", 2, "cosine", contexts=["a"]))
        row = Rows(["k"], np.ones((1, 2)), [0.0], [np.inf])
        slots = catalog.write(lambda w, made=made, row=row: items.put_many(w, made, row))
        assert made.slots[0] < slots[0] < made.slots[1]
        seen.append((made.number, made.contexts[0].number, int(slots[0] - made.slots[0])))
        catalog.write(lambda w, made=made: namespaces.drop(w, made.number))
    numbers = [n for row in seen for n in row[:2]]
    assert len(set(numbers)) == 6
    assert [row[2] for row in seen] == [1, 2, 3]


def test_joint_steps_are_those_made_together_and_old_ones_are_forgotten(catalog: Catalog) -> None:
    rng = np.random.default_rng([daily_seed(), 1])
    p = catalog.write(lambda w: namespaces.create(w, "p", 3, "cosine"))
    q = catalog.write(lambda w: namespaces.create(w, "q", 3, "cosine"))
    made: dict[int, list[np.ndarray]] = {1: [], 2: []}
    for event in range(12):
        slots = [(1, 2), (1,), (2,)][event % 3]
        steps = rng.standard_normal((len(slots), 3)).astype(np.float32)
        for slot, step in zip(slots, steps, strict=True):
            if len(slots) == 2:
                made[slot].append(step)
        catalog.write(lambda w, s=slots, v=steps: history.record(w, p, s, v, 1.0, keep=4))
        # Events of another namespace have numbers of their own.
        catalog.write(lambda w: history.record(w, q, [3], np.ones((1, 3)), 1.0))
    with catalog.read() as reader:
        first, second = history.joint_steps(reader, p, 1, 2)
        # Each keeps its last 4 steps: every second one was joint.
        assert np.array_equal(first, made[1][-2:])
        assert np.array_equal(second, made[2][-2:])
        joint = history.events(reader, p, at_least=2)
        assert [slots.tolist() for _, slots, _ in joint] == [[1, 2], [1, 2]]
        assert np.array_equal(joint[-1][2], [made[1][-1], made[2][-1]])
        assert len(history.events(reader, q)) == 12
        assert history.joint_steps(reader, p, 1, 3)[0].shape == (0, 3)


def test_memberships_are_found_by_slot(catalog: Catalog) -> None:
    p = catalog.write(lambda w: namespaces.create(w, "p", 2, "cosine"))
    rows = Rows([f"k{i}" for i in range(300)], np.ones((300, 2)), [0.0] * 300, [np.inf] * 300)
    slots = catalog.write(lambda w: items.put_many(w, p, rows))
    for name, members in (("small", slots[:2]), ("large", slots)):
        catalog.write(lambda w, n=name, m=members: groups.create(w, p, n, 0.5, m))
    with catalog.read() as reader:
        assert [g.name for g in groups.of_slots(reader, slots[:1])] == ["small", "large"]
        assert [g.name for g in groups.of_slots(reader, slots[5:])] == ["large"]
        small, large = (groups.get(reader, p, name).number for name in ("small", "large"))
        pairs = groups.memberships(reader, slots)
        assert len(pairs) == 302
        assert pairs[:3] == [(slots[0], small), (slots[0], large), (slots[1], small)]
