"""A catalog sent to Pinecone on bad days, in real time: nothing is lost, doubled or stale."""

import json
import math

import numpy as np
import pytest

pytest.importorskip("pinecone")
pytest.importorskip("fastapi")

from qstore_tf.errors import UnreachableError
from qstore_tf.ionq.service.retrying import Retries
from qstore_tf.store.arguments.filters import matches, parse_filter
from qstore_tf.store.catalog import Catalog, Rows, items, namespaces
from qstore_tf.store.vectors.item_records import IN, VERSION, parse_id, remote_name
from qstore_tf.store.vectors.outbox import Outbox
from qstore_tf.store.vectors.overlay import RemoteSearch
from qstore_tf.store.vectors.pinecone import PineconeVectors
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.pinecone_emulator import Fault, PineconeEmulator
from qstore_tf.testing.store_twin import Twin

FAULTS = (
    Fault("late", times=3, probability=0.3, parameters={"seconds": 0.2}),
    Fault("duplicate", times=3, probability=0.4, parameters={"seconds": 0.2}),
    Fault("lost_answer", ("upsert", "delete"), 2, 0.4),
    Fault("half", times=2, probability=0.5),
    Fault("too_many_requests", times=4, probability=0.2, parameters={"retry_after": 0}),
    Fault("server_error", times=3, probability=0.2, parameters={"status": 503}),
    Fault("dropped", times=3, probability=0.2),
    Fault("restart", ("upsert",), 1, 0.3, parameters={"seconds": 0.1}),
)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_nothing_is_lost_doubled_or_stale(metric, monkeypatch):
    monkeypatch.delenv("PINECONE_CONTROLLER_HOST", raising=False)
    rng = np.random.default_rng([daily_seed(), 7])
    with (
        PineconeEmulator(delay_s=(0.0, 0.1), seed=daily_seed()) as emulator,
        Catalog(None) as catalog,
    ):
        store = PineconeVectors("key", host=emulator.url, retries=Retries(0.02, 0.1, 0.2))
        options = {"retries": Retries(0.02, 0.2, 5.0), "batch": 7, "settle_s": 0.5}
        sender = Outbox(catalog, store, "far", **options)
        search = RemoteSearch(catalog, store, sender)
        space = catalog.write(lambda w: namespaces.create(w, "papers", 3, metric, "float32"))
        twin = Twin(metric)

        def write():
            keys = [f"k{i}" for i in rng.choice(25, rng.integers(1, 8), False)]
            count = len(keys)
            vectors = rng.normal(size=(count, 3)).astype(np.float32)
            metadata = [{"part": int(part)} for part in rng.integers(0, 4, count)]
            times = np.zeros(count), np.full(count, math.inf)
            rows = Rows(keys, vectors, *times, metadata=[json.dumps(one) for one in metadata])

            def change(writer):
                slots = items.find_slots(writer, space, keys)
                gone = rng.random() < 0.3
                if gone:
                    items.remove(writer, space, slots[slots > 0])
                    ids = [str(slot) for slot in slots]
                else:
                    ids = [str(slot) for slot in items.put_many(writer, space, rows)]
                sender.note_changes(writer)
                return ids, gone

            ids, gone = catalog.write(change)
            twin.delete(ids) if gone else twin.upsert(ids, vectors, metadata)

        def look():
            query, k = rng.normal(size=3).astype(np.float32), int(rng.integers(1, 12))
            tree = parse_filter({"part": {"$ne": 2}}) if rng.random() < 0.5 else None
            names = [n for n, one in twin.metadata.items() if tree is None or matches(tree, one)]
            best = sorted(names, key=lambda name: -twin.score(query, name))[:k]
            found = search.search(space, query[None], k, filter=tree).candidates[0]
            assert [str(slot) for slot in found.slots[: len(best)]] == best
            for name, score in zip(best, found.similarities, strict=False):
                assert score == pytest.approx(twin.score(query, name), abs=1e-9)

        unanswered = 0
        emulator.set_faults(*FAULTS)
        sender.start()
        for _ in range(40):
            try:
                write() if rng.random() < 0.6 else look()
            except UnreachableError:  # which is no wrong answer
                unanswered += 1
        assert unanswered < 10
        emulator.set_faults()
        sender.close()
        assert Outbox(catalog, store, "far", **options).drain(30.0)
        name = remote_name(sender.identity, space)
        store.flush(name)
        ids = list(store.list(name).ids)
        held = store.fetch(name, ids)
        assert {parse_id(one)[0] for one in ids} == {int(one) for one in twin.vectors}
        assert len(ids) == len(set(ids)) == len(twin.vectors) == store.stats(name).count
        for one, record in held.items():
            slot = str(parse_id(one)[0])
            metadata = dict(record.metadata)
            assert metadata.pop(VERSION) > 0
            metadata.pop(IN)
            assert metadata == twin.metadata[slot]
            np.testing.assert_array_equal(record.vector, np.float32(twin.vectors[slot]))
        look()
        met = {one.fault for one in emulator.requests if one.fault}
        assert len(met) >= 3, met
        store.close()
