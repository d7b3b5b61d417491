"""Random histories over a bad network in simulated time: nothing is lost, doubled or stale.

Items are written, removed, archived and moved by groups while two senders work, crash and start
anew, and while requests are lost, late, doubled and cut. Some of this happens inside of other
calls. Every search equals an exact one over the catalog as of the commit that it names, and in the
end the store holds exactly what the catalog does, also when the last late request has come.
"""

import numpy as np
import pytest

from qstore_tf.errors import UnreachableError
from qstore_tf.store.arguments.filters import matches, parse_filter
from qstore_tf.store.catalog import Catalog, Rows, groups, items, namespaces
from qstore_tf.store.vectors.item_records import IN, VERSION, records_of, remote_name
from qstore_tf.store.vectors.outbox import Outbox, similarity_of
from qstore_tf.store.vectors.overlay import RemoteSearch
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.faulty_store import WRITE_FAULTS, FaultyStore, SimulatedClock

KEYS = [f"k{i}" for i in range(7)]
DIMENSION = 3
SETTLE_S, LATE_S = 60.0, 55.0
FILTER = parse_filter({"part": {"$lte": 1}})


class Crash(BaseException):
    """A sender's process ends."""


class History:
    def __init__(self, catalog, seed):
        self.rng = np.random.default_rng(seed)
        self.catalog, self.clock = catalog, SimulatedClock()
        metric = str(self.rng.choice(["cosine", "dot", "l2", "fidelity", "complex"]))
        dtype = "complex64" if metric == "complex" else "float32"
        metric = "fidelity" if metric == "complex" else metric
        self.name = f"space{seed}"
        self.space = catalog.write(
            lambda w: namespaces.create(w, self.name, DIMENSION, metric, dtype, contexts=["x", "y"])
        )
        self.store = FaultyStore(
            self.clock,
            self.rng,
            rate=float(self.rng.choice([0.0, 0.2, 0.5])),
            late_s=LATE_S,
            lag_s=float(self.rng.choice([0.0, 20.0])),
            meanwhile=self.meanwhile,
        )
        self.store_name = f"store{seed}"
        self.depth, self.may_crash = 0, True
        self.sending = [False, False]
        self.senders = [self.sender(), self.sender()]
        self.states = [(0, {})]
        self.group = None
        self.searches = 0

    def sender(self):
        return Outbox(
            self.catalog,
            self.store,
            self.store_name,
            clock=self.clock,
            batch=int(self.rng.integers(1, 6)),
            settle_s=SETTLE_S,
        )

    # What may happen.

    def run(self, steps):
        for _ in range(steps):
            self.act()
            if self.rng.random() < 0.3:
                self.clock.now += float(self.rng.choice([0.1, 5.0, 70.0, 300.0]))
        self.end()

    def meanwhile(self):
        if self.depth < 2 and self.rng.random() < 0.3:
            self.depth += 1
            try:
                for _ in range(int(self.rng.integers(1, 5))):
                    self.act()
            finally:
                self.depth -= 1
        if self.may_crash and self.depth and any(self.sending) and self.rng.random() < 0.03:
            raise Crash

    def act(self):
        kind = self.rng.choice(["write", "send", "search"], p=[0.35, 0.4, 0.25])
        getattr(self, kind)()

    def write(self):
        action = str(self.rng.choice(["put", "put", "put", "remove", "archive", "restore", "step"]))
        chosen = [KEYS[i] for i in self.rng.permutation(len(KEYS))[: self.rng.integers(1, 4)]]
        vectors = self.vectors(len(chosen))
        own = self.vectors(len(chosen))
        plan = self.rng.integers(0, 3, len(chosen))
        part = self.rng.integers(0, 4, len(chosen))

        def change(writer):
            space = namespaces.get(writer, self.name)
            slots = items.find_slots(writer, space, chosen)
            known = np.unique(slots[slots > 0])
            if action == "put":
                numbers = [context.number for context in space.contexts]
                entries = []
                for row, kind in enumerate(plan):
                    if kind == 1:
                        entries += [(row, number, 0.5, None) for number in numbers]
                    if kind == 2:
                        entries += [(row, numbers[0], 0.4, None), (row, numbers[1], 0.6, own[row])]
                rows = Rows(
                    chosen,
                    vectors,
                    np.zeros(len(chosen)),
                    np.full(len(chosen), np.inf),
                    metadata=[f'{{"part": {number}}}' for number in part],
                    contexts=entries,
                )
                slots = items.put_many(writer, space, rows)
                if self.group is None:
                    self.group = groups.create(writer, space, "g", 0.5, slots[:2])
            elif action == "remove":
                items.remove(writer, space, known)
            elif action == "archive":
                items.archive(writer, space, known, 0.0)
            elif action == "restore":
                items.restore(writer, space, known)
            elif self.group is not None:  # all members move, and none of their rows is written
                groups.set_state(writer, self.group, vectors[0].astype(_wide(vectors)), 0.0)
            self.senders[0].note_changes(writer)

        self.catalog.write(change)
        with self.catalog.read() as reader:
            space = namespaces.get(reader, self.name)
            every = [
                row[0]
                for row in reader.execute(
                    "SELECT slot FROM items WHERE namespace = ?", (space.number,)
                )
            ]
            self.states.append((reader.number, records_of(reader, space, every)))

    def vectors(self, count):
        made = self.rng.normal(size=(count, DIMENSION))
        if self.space.dtype.kind == "c":
            made = made + 1j * self.rng.normal(size=(count, DIMENSION))
        return made.astype(self.space.dtype)

    def send(self):
        who = int(self.rng.integers(2))
        if self.sending[who]:  # one process does not send twice at once
            return
        self.sending[who] = True
        try:
            self.senders[who].step()
        except Crash:
            self.senders[who] = self.sender()
        finally:
            self.sending[who] = False

    def search(self):
        query = self.vectors(1)
        k = int(self.rng.integers(1, 9))
        context = int(self.rng.choice([0, *(c.number for c in self.space.contexts)])) or None
        filter = FILTER if self.rng.random() < 0.3 else None
        before = self.states[-1][0]
        searcher = RemoteSearch(self.catalog, self.store, self.senders[0], spare=int(k % 2))
        try:
            answer = searcher.search(self.space, query, k, context=context, filter=filter)
        except UnreachableError:
            return
        self.searches += 1
        assert answer.is_complete
        assert answer.commit >= before, "what was written before is not seen"
        state = [s for commit, s in self.states if commit <= answer.commit][-1]
        self.check(answer.candidates[0], state, query[0], k, context, filter)

    def check(self, found, state, query, k, context, filter):
        expected = {
            (record.slot, record.context): float(
                similarity_of(self.space).scores(query, record.vector[None])[0]
            )
            for records in state.values()
            for record in records
            if (context is None or context in record.contexts)
            and (filter is None or matches(filter, record.metadata))
        }
        got = dict(
            zip(
                zip(found.slots.tolist(), found.contexts.tolist(), strict=True),
                found.similarities,
                strict=True,
            )
        )
        assert len(got) == len(found.slots), "doubled"
        assert got.keys() <= expected.keys(), "stale"
        for key, score in got.items():
            assert score == pytest.approx(expected[key], abs=1e-12), "stale"
        best = {}
        for (slot, _), score in expected.items():
            best[slot] = max(score, best.get(slot, -np.inf))
        wanted = sorted(best, key=lambda slot: -best[slot])[:k]
        assert {slot for slot, _ in got} == set(wanted), "lost"

    # The end.

    def end(self):
        self.may_crash = False
        self.store.rate, self.store.meanwhile = 0.0, lambda: None
        assert self.senders[0].drain(3600.0)
        self.check_store()
        self.clock.now += 1000.0  # whatever was late is there now
        self.store.arrive()
        self.check_store()
        assert not self.senders[1].step()

    def check_store(self):
        self.store.arrive()
        name = remote_name(self.senders[0].identity, self.space)
        if name not in self.store.namespaces():
            assert not any(self.states[-1][1].values())
            return
        expected = {r.id: r for records in self.states[-1][1].values() for r in records}
        held = self.store.fetch(name, self.store.list(name, limit=1000).ids)
        assert held.keys() == expected.keys()
        for id, record in held.items():
            sent = similarity_of(self.space).vectors(expected[id].vector[None])[0]
            np.testing.assert_array_equal(record.vector, sent)
            metadata = dict(record.metadata)
            assert metadata.pop(VERSION) > 0
            assert metadata.pop(IN) == [str(number) for number in expected[id].contexts]
            assert metadata == expected[id].metadata


def _wide(vectors):
    return np.complex128 if vectors.dtype.kind == "c" else np.float64


def run(count, first, place=None):
    seen, searches = {}, 0
    for number in range(count):
        seed = first + number
        with Catalog(place) as catalog:
            history = History(catalog, seed)
            try:
                history.run(40)
            except BaseException as error:
                error.add_note(f"This was the history of seed {seed}")
                raise
            searches += history.searches
            for fault, times in history.store.seen.items():
                seen[fault] = seen.get(fault, 0) + times
    return seen, searches


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_stale_whatever_the_network_does():
    seen, searches = run(30, daily_seed() * 100_000)
    assert set(seen) == set(WRITE_FAULTS)
    assert searches > 200


@pytest.mark.slow
def test_the_same_over_a_catalog_in_postgresql(postgres_url):
    run(2, daily_seed() * 100_000 + 90_000, postgres_url)


@pytest.mark.slow
@pytest.mark.parametrize("group", range(30))
def test_thousands_of_histories(group):
    run(20, daily_seed() * 100_000 + 30 + 20 * group)
