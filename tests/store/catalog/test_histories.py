"""Random histories: the catalog equals a dictionary, and changes replayed equal the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from qstore_tf.store.catalog import (
    Catalog,
    Connection,
    NamespaceRow,
    Rows,
    groups,
    items,
    namespaces,
)
from qstore_tf.store.catalog.feed import changes, forget, oldest
from qstore_tf.store.index.changes import Changes
from qstore_tf.testing.daily import daily_seed

D = 3
STEPS = 120
KEYS = [f"k{i}" for i in range(12)] + ["ä", "z\U0001f600", "k1 0", "'"]


@dataclass
class Held:
    """What an index would hold of a namespace."""

    rows: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    contexts: dict[int, set[tuple[Any, ...]]] = field(default_factory=dict)
    groups: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    commit: int = 0

    def apply(self, new: Changes) -> None:
        assert len(set(new.slots.tolist())) == len(new.slots)
        assert not set(new.slots.tolist()) & set(new.removed.tolist())
        for slot in new.removed.tolist():
            self.rows.pop(slot, None)
            self.contexts.pop(slot, None)
        for i, slot in enumerate(new.slots.tolist()):
            self.rows[slot] = (
                new.keys[i],
                tuple(new.vectors[i].tolist()),
                float(new.written_at[i]),
                float(new.coherence_time[i]),
                new.metadata[i],
            )
            self.contexts[slot] = set()
        for position, name, weight, vector in new.contexts:
            own = None if vector is None else tuple(vector.tolist())
            self.contexts[int(new.slots[position])].add((name, weight, own))
        for group in new.groups:
            before = self.groups.get(group.number)
            members = before[2] if group.members is None else tuple(group.members.tolist())
            self.groups[group.number] = (group.rho, tuple(group.accumulator.tolist()), members)
            if not members:
                del self.groups[group.number]
        self.commit = new.commit


class History:
    """A namespace that is changed at random, and what it should hold."""

    def __init__(self, catalog: Catalog, seed: int, dtype: str) -> None:
        self.catalog, self.rng = catalog, np.random.default_rng([daily_seed(), seed])
        self.namespace: NamespaceRow = catalog.write(
            lambda w: namespaces.create(w, f"n{seed}", D, "fidelity", dtype, contexts=["a", "b"])
        )
        self.model: dict[str, dict[str, Any]] = {}
        self.slots: dict[str, int] = {}
        self.ever: set[int] = set()
        self.groups: dict[str, dict[str, Any]] = {}

    def vectors(self, n: int) -> np.ndarray[Any, Any]:
        real = self.rng.standard_normal((n, D))
        if self.namespace.dtype.kind == "c":
            real = real + 1j * self.rng.standard_normal((n, D))
        return real.astype(self.namespace.dtype)

    def some(self, names: Any, most: int = 4) -> list[str]:
        pool = sorted(names)
        n = min(len(pool), int(self.rng.integers(1, most + 1)))
        return [str(name) for name in self.rng.choice(pool, n, replace=False)] if pool else []

    def entries(self, n: int) -> list[tuple[int, int, float, Any]]:
        found = []
        for position in range(n):
            for context in self.namespace.contexts:
                if self.rng.random() < 0.4:
                    own = self.vectors(1)[0] if self.rng.random() < 0.5 else None
                    found.append((position, context.number, float(self.rng.random()), own))
        return found

    def put(self, writer: Connection) -> None:
        keys = [str(key) for key in self.rng.choice(KEYS, int(self.rng.integers(1, 6)))]
        n = len(keys)
        rows = Rows(
            keys=keys,
            vectors=self.vectors(n),
            written_at=self.rng.random(n) * 1e12,
            coherence_time=np.where(self.rng.random(n) < 0.5, math.inf, 1 + self.rng.random(n)),
            expires_at=np.where(self.rng.random(n) < 0.5, math.inf, self.rng.random(n)),
            metadata=[None if self.rng.random() < 0.5 else f'{{"i": {i}}}' for i in range(n)],
            contexts=self.entries(n),
            has_vector=self.rng.random(n) < 0.8,
            staleness_offset=self.rng.random(n),
        )
        known = items.find_slots(writer, self.namespace, keys)
        assert known.tolist() == [self.slots.get(key, 0) for key in keys]
        slots = items.put_many(
            writer, self.namespace, rows, known if self.rng.random() < 0.5 else None
        )
        for i, key in enumerate(keys):
            assert key not in self.slots or self.slots[key] == slots[i]
            assert key in self.slots or slots[i] not in self.ever
        for i, key in enumerate(keys):
            self.slots[key] = int(slots[i])
            self.model[key] = {
                "vector": rows.vectors[i] if rows.has_vector[i] else None,  # type: ignore[index]
                "written_at": rows.written_at[i],
                "coherence_time": rows.coherence_time[i],
                "expires_at": rows.expires_at[i],  # type: ignore[index]
                "metadata": rows.metadata[i],  # type: ignore[index]
                "staleness_offset": rows.staleness_offset[i],  # type: ignore[index]
                "contexts": [e[1:] for e in rows.contexts if e[0] == i],
                "archived_at": None,
            }
        self.ever |= set(slots.tolist())

    def patch(self, writer: Connection) -> None:
        keys = self.some(self.model)
        n, columns = len(keys), {}
        for name, values in (
            ("vectors", self.vectors(n)),
            ("written_at", self.rng.random(n)),
            ("coherence_time", np.full(n, math.inf)),
            ("expires_at", self.rng.random(n)),
            ("metadata", [f'{{"p": {i}}}' for i in range(n)]),
            ("contexts", self.entries(n)),
        ):
            if self.rng.random() < 0.4:
                columns[name] = values
        if not keys or not columns:
            return
        slots = [self.slots[key] for key in keys]
        items.patch_many(writer, self.namespace, slots, **columns)
        for i, key in enumerate(keys):
            row = self.model[key]
            for name, values in columns.items():
                if name == "contexts":
                    row[name] = [entry[1:] for entry in values if entry[0] == i]
                else:
                    row["vector" if name == "vectors" else name] = values[i]

    def remove(self, writer: Connection) -> None:
        keys = self.some(self.model, 2)
        slots = [self.slots[key] for key in keys]
        assert items.remove(writer, self.namespace, [*slots, 10**9]) == len(keys)
        for key in keys:
            del self.model[key], self.slots[key]
            for group in self.groups.values():
                group["members"].discard(key)

    def archive(self, writer: Connection) -> None:
        keys = self.some(self.model)
        fresh = [key for key in keys if self.model[key]["archived_at"] is None]
        done = items.archive(writer, self.namespace, [self.slots[key] for key in keys], 7.0)
        assert done == len(fresh)
        for key in fresh:
            self.model[key]["archived_at"] = 7.0

    def restore(self, writer: Connection) -> None:
        keys = self.some(self.model)
        kept = [key for key in keys if self.model[key]["archived_at"] is not None]
        done = items.restore(writer, self.namespace, [self.slots[key] for key in keys])
        assert done == len(kept)
        for key in kept:
            self.model[key]["archived_at"] = None

    def make_group(self, writer: Connection) -> None:
        name, keys = f"g{len(self.groups)}-{self.rng.integers(1 << 30)}", self.some(self.model)
        number = groups.create(writer, self.namespace, name, 0.5, [self.slots[key] for key in keys])
        self.groups[name] = {
            "number": number,
            "members": set(keys),
            "accumulator": np.zeros(D),
            "drift": 0.0,
        }

    def move_group(self, writer: Connection) -> None:
        for name in self.some(self.groups, 1):
            group = groups.get(writer, self.namespace, name)
            accumulator = group.accumulator + self.vectors(1)[0]
            drift = group.drift + self.rng.random()
            groups.set_state(writer, group.number, accumulator, drift)
            self.groups[name].update(accumulator=accumulator, drift=drift)

    def change_members(self, writer: Connection) -> None:
        for name in self.some(self.groups, 1):
            group = self.groups[name]
            joining, leaving = self.some(self.model), self.some(group["members"], 1)
            groups.add_members(writer, group["number"], [self.slots[key] for key in joining])
            groups.remove_members(writer, group["number"], [self.slots[key] for key in leaving])
            group["members"] = (group["members"] | set(joining)) - set(leaving)

    def dissolve(self, writer: Connection) -> None:
        for name in self.some(self.groups, 1):
            groups.dissolve(writer, self.groups.pop(name)["number"])

    def check(self, reader: Connection) -> None:
        found = items.fetch_many(reader, self.namespace, [*KEYS, "missing"])
        assert found.pop() is None
        members = dict.fromkeys(self.model, ())
        for group in sorted(self.groups.values(), key=lambda g: g["number"]):
            for key in group["members"]:
                members[key] = (*members[key], group["number"])
        for key, item in zip(KEYS, found, strict=True):
            if key not in self.model:
                assert item is None
                continue
            assert item is not None
            row = self.model[key]
            assert (item.key, item.slot) == (key, self.slots[key])
            assert same(item.vector, row["vector"])
            for name in ("written_at", "coherence_time", "expires_at", "archived_at"):
                assert getattr(item, name) == row[name], name
            assert item.metadata == row["metadata"]
            assert item.staleness_offset == row["staleness_offset"]
            assert len(item.contexts) == len(row["contexts"])
            for mine, its in zip(item.contexts, row["contexts"], strict=True):
                assert mine[:2] == its[:2]
                assert same(mine[2], its[2])
            assert item.groups == members[key]
            assert item.version <= reader.number
        slots = [self.slots.get(key, 0) for key in KEYS]
        again = items.fetch_slots(reader, self.namespace, slots)
        assert [None if i is None else i.key for i in again] == [
            None if i is None else i.key for i in found
        ]
        for archived in (False, True):
            here = sorted(
                key
                for key, row in self.model.items()
                if (row["archived_at"] is not None) == archived
            )
            assert items.count(reader, self.namespace, archived) == len(here)
            assert pages(reader, self.namespace, "", archived) == here
            for prefix in ("k1", "z", "\U0010ffff"):
                expected = [key for key in here if key.startswith(prefix)]
                assert pages(reader, self.namespace, prefix, archived) == expected
        due = sorted(
            (row["expires_at"], self.slots[key])
            for key, row in self.model.items()
            if row["archived_at"] is None and row["expires_at"] <= 0.5
        )
        found_due = items.expired(reader, self.namespace, 0.5)
        assert found_due.tolist() == [slot for _, slot in due]
        assert [group.name for group in groups.all_of(reader, self.namespace)] == sorted(
            self.groups
        )
        for name, group in self.groups.items():
            stored = groups.get(reader, self.namespace, name)
            assert (stored.number, stored.drift) == (group["number"], group["drift"])
            assert np.array_equal(stored.accumulator, group["accumulator"])
            assert groups.members(reader, stored.number).tolist() == sorted(
                self.slots[key] for key in group["members"]
            )


def same(one: Any, other: Any) -> bool:
    return (one is None) == (other is None) and (one is None or np.array_equal(one, other))


def pages(reader: Connection, namespace: NamespaceRow, prefix: str, archived: bool) -> list[str]:
    found: list[str] = []
    token = None
    while True:
        keys, token = items.list_keys(reader, namespace, prefix, token, 3, archived)
        found += keys
        if token is None:
            return found
        assert len(keys) == 3


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_a_random_history(catalog: Catalog, dtype: str) -> None:
    history = History(catalog, 1 if dtype == "float32" else 2, dtype)
    other = History(catalog, 3, dtype)  # in the same tables, never disturbed
    catalog.write(other.put)
    held = Held()
    actions = (
        [History.put] * 4
        + [History.patch, History.remove, History.archive, History.restore] * 2
        + [History.make_group, History.move_group, History.change_members, History.dissolve]
    )
    for step in range(STEPS):
        action = actions[int(history.rng.integers(len(actions)))]
        before = catalog.commit_number()
        catalog.write(lambda w, action=action: action(history, w))
        assert catalog.commit_number() in (before, before + 1)
        if step % 4 == 0 or step == STEPS - 1:
            with catalog.read() as reader:
                history.check(reader)
                if held.commit >= oldest(reader, history.namespace):
                    held.apply(changes(reader, history.namespace, held.commit))
                else:
                    with pytest.raises(ValueError, match="start from 0"):
                        changes(reader, history.namespace, held.commit)
                    held = Held()
                    held.apply(changes(reader, history.namespace))
                whole = Held()
                whole.apply(changes(reader, history.namespace))
                assert held.rows == whole.rows
                assert held.contexts == whole.contexts
                assert held.groups == whole.groups
                assert held.commit == whole.commit == reader.number
                expected = {
                    history.slots[key]
                    for key, row in history.model.items()
                    if row["archived_at"] is None
                }
                assert whole.rows.keys() == expected
        if step % 17 == 0:
            catalog.write(lambda w: forget(w, history.namespace, w.number - 3))
    with catalog.read() as reader:
        other.check(reader)
    catalog.write(lambda w: namespaces.drop(w, history.namespace.number))
    with catalog.read() as reader:
        other.check(reader)
        for table in ("items", "groups", "contexts", "changed"):
            count = reader.execute(
                f"SELECT count(*) FROM {table} WHERE namespace = ?", (history.namespace.number,)
            )
            assert count.fetchone()[0] == 0
        left = reader.execute("SELECT count(DISTINCT slot) FROM item_contexts").fetchone()[0]
        assert left == len([row for row in other.model.values() if row["contexts"]])
        assert reader.execute("SELECT count(*) FROM members").fetchone()[0] == 0
