"""What people do with Pinecone's client, 8 or newer, and random calls against a dictionary.

python pinecone_works.py                        # reads PINECONE_API_KEY, PINECONE_CONTROLLER_HOST
python pinecone_works.py --operations 10000 7   # so many random calls, of this seed
"""

import os
import sys
import time

import numpy as np
import pinecone
from pinecone import Pinecone, ServerlessSpec
from works import main, work

if "127.0.0.1" not in os.environ["PINECONE_CONTROLLER_HOST"]:
    sys.exit("this is for a server of this machine alone")

CLIENT = Pinecone()
SPEC = ServerlessSpec(cloud="aws", region="us-east-1")
METRICS = ("cosine", "dotproduct", "euclidean")
COMMITTED, INDEXED = "x-pinecone-request-lsn", "x-pinecone-max-indexed-lsn"


def open_index(name, dimension=3, metric="cosine"):
    if not CLIENT.has_index(name):
        CLIENT.create_index(name=name, dimension=dimension, metric=metric, spec=SPEC, timeout=-1)
    return CLIENT.Index(host=CLIENT.describe_index(name).host)


def number(answer, name):
    """A log sequence number that an answer has."""
    info = answer._response_info
    lines = info["raw_headers"] if isinstance(info, dict) else info.raw_headers
    return int(lines[name])


def wait(index, namespace, committed, dimension=3):
    """Waits until searches see a write."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = index.query(vector=[1.0] * dimension, top_k=1, namespace=namespace)
        if number(found, INDEXED) >= committed:
            return
        time.sleep(0.001)
    raise AssertionError(f"searches never came to {committed}")


def mark(index, namespace):
    """The number of a write that changes nothing."""
    answer = index.update(id="nobody", set_metadata={"a": 1}, namespace=namespace)
    return number(answer, COMMITTED)


def settle(index, namespace, dimension=3):
    wait(index, namespace, mark(index, namespace), dimension)


def status_of(error):
    return getattr(error, "status_code", None) or getattr(error, "status", None)


def refused(function, *statuses, **arguments):
    try:
        function(**arguments)
    except Exception as error:
        assert status_of(error) in statuses, error
        return str(error)
    raise AssertionError("it was taken")


@work
def make_list_describe_and_delete_an_index():
    for metric in METRICS:
        open_index(f"index-{metric}", 4, metric)
    names = {one.name for one in CLIENT.list_indexes()}
    assert {f"index-{metric}" for metric in METRICS} <= names
    described = CLIENT.describe_index("index-euclidean")
    assert (described.dimension, described.metric) == (4, "euclidean")
    assert described.status.ready and described.status.state == "Ready"
    assert CLIENT.has_index("index-cosine") and not CLIENT.has_index("absent")
    again = {"name": "index-cosine", "dimension": 4, "metric": "cosine", "spec": SPEC}
    refused(CLIENT.create_index, 409, **again)
    for metric in METRICS:
        CLIENT.delete_index(f"index-{metric}", timeout=-1)
    assert not CLIENT.has_index("index-cosine")
    refused(CLIENT.describe_index, 404, name="index-cosine")


@work
def upsert_in_all_forms_and_fetch():
    index = open_index("forms")
    metadata = {"title": "a", "year": 1999, "new": True, "tags": ["x", "y"]}
    answer = index.upsert(
        vectors=[
            {"id": "dict", "values": [1.0, 0.0, 0.5], "metadata": metadata},
            ("pair", [0.0, 1.0, 0.0]),
            ("triple", [0.0, 0.0, 1.0], {"year": 2001.5}),
            pinecone.Vector(id="vector", values=[1.0, 1.0, 1.0], metadata={"é": "ü"}),
        ],
        namespace="films",
    )
    assert answer.upserted_count == 4
    wait(index, "films", number(answer, COMMITTED))
    ids = ["dict", "pair", "triple", "vector", "absent"]
    found = index.fetch(ids=ids, namespace="films").vectors
    assert set(found) == set(ids[:-1])
    assert found["dict"].values == [1.0, 0.0, 0.5] and found["dict"].metadata == metadata
    assert found["vector"].metadata == {"é": "ü"}
    assert found["triple"].metadata["year"] == 2001.5


@work
def upsert_in_batches():
    index = open_index("batches")
    vectors = [(str(i), [float(i), 1.0, 0.0], {"i": i}) for i in range(250)]
    answer = index.upsert(vectors=vectors, namespace="n", batch_size=100, show_progress=False)
    assert answer.upserted_count == 250
    settle(index, "n")
    assert index.describe_index_stats().namespaces["n"].vector_count == 250


@work
def query_by_vector_and_by_id():
    index = open_index("queries", metric="dotproduct")
    rows = {"a": [1.0, 0.0, 0.0], "b": [0.5, 0.5, 0.0], "c": [0.0, 0.0, 2.0]}
    index.upsert(vectors=[(name, row, {"n": i}) for i, (name, row) in enumerate(rows.items())])
    settle(index, "")
    found = index.query(vector=[1.0, 0.5, 0.0], top_k=2, include_metadata=True)
    assert [one.id for one in found.matches] == ["a", "b"]
    assert [one.score for one in found.matches] == [1.0, 0.75]
    assert found.matches[1].metadata == {"n": 1}
    found = index.query(id="c", top_k=1, include_values=True)
    assert found.matches[0].values == rows["c"] and found.matches[0].score == 4.0
    assert found.usage.read_units >= 1


@work
def query_with_filters():
    index = open_index("filters")
    rows = [("a", 1999, "x", ["p"]), ("b", 2000, "y", ["p", "q"]), ("c", 2001, "x", [])]
    index.upsert(
        vectors=[
            (name, [1.0, float(i), 1.0], {"year": year, "kind": kind, "tags": tags, name: True})
            for i, (name, year, kind, tags) in enumerate(rows)
        ],
        namespace="n",
    )
    settle(index, "n")
    for filter, expected in (
        ({"year": {"$gte": 2000}}, "bc"),
        ({"kind": "x"}, "ac"),
        ({"kind": {"$ne": "x"}}, "b"),
        ({"kind": {"$in": ["x", "z"]}, "year": {"$lt": 2001}}, "a"),
        ({"kind": {"$nin": ["y"]}}, "ac"),
        ({"tags": "p"}, "ab"),
        ({"tags": {"$in": ["q"]}}, "b"),
        ({"b": {"$exists": True}}, "b"),
        ({"b": {"$exists": False}}, "ac"),
        ({"$or": [{"year": 1999}, {"b": True}]}, "ab"),
        ({"$and": [{"kind": "x"}, {"year": {"$gt": 1999}}]}, "c"),
    ):
        found = index.query(vector=[1.0, 1.0, 1.0], top_k=9, namespace="n", filter=filter)
        assert sorted(one.id for one in found.matches) == list(expected), filter


@work
def update_values_and_metadata():
    index = open_index("updates")
    index.upsert(vectors=[("a", [1.0, 0.0, 0.0], {"x": 1, "y": "old"})], namespace="n")
    index.update(id="a", values=[0.0, 1.0, 0.0], namespace="n")
    answer = index.update(id="a", set_metadata={"y": "new", "z": [""]}, namespace="n")
    wait(index, "n", number(answer, COMMITTED))
    found = index.fetch(ids=["a"], namespace="n").vectors["a"]
    assert found.values == [0.0, 1.0, 0.0]
    assert found.metadata == {"x": 1, "y": "new", "z": [""]}


@work
def delete_by_ids_by_filter_and_all():
    index = open_index("deletes")
    index.upsert(
        vectors=[(str(i), [1.0, 0.0, float(i)], {"i": i}) for i in range(6)], namespace="n"
    )
    for given, left in (
        ({"ids": ["0", "absent"]}, "12345"),
        ({"filter": {"i": {"$gt": 3}}}, "123"),
        ({"delete_all": True}, ""),
    ):
        index.delete(namespace="n", **given)
        settle(index, "n")
        found = index.query(vector=[1.0, 1.0, 1.0], top_k=10, namespace="n")
        assert sorted(one.id for one in found.matches) == list(left)
    refused(index.delete, 404, ids=["a"], namespace="absent")


@work
def list_ids_in_pages():
    index = open_index("lists")
    index.upsert(vectors=[(f"{i % 2}#{i:03}", [1.0, 0.0, 0.0]) for i in range(230)], namespace="n")
    settle(index, "n")
    for prefix, count in (("0#", 115), ("1#00", 5), ("none", 0)):
        found = [
            getattr(one, "id", one)
            for page in index.list(prefix=prefix, limit=50, namespace="n")
            for one in getattr(page, "vectors", page)
        ]
        assert len(set(found)) == len(found) == count
        assert all(name.startswith(prefix) for name in found)


@work
def make_list_describe_and_delete_a_namespace():
    index = open_index("namespaces")
    for name in ("one", "two/", "a b"):
        index.create_namespace(name=name)
    index.upsert(vectors=[("a", [1.0, 0.0, 0.0])], namespace="one")
    settle(index, "one")
    assert int(index.describe_namespace(namespace="one").record_count) == 1
    listed = index.list_namespaces_paginated(limit=2)
    more = index.list_namespaces_paginated(limit=2, pagination_token=listed.pagination.next)
    names = [one.name for page in (listed, more) for one in page.namespaces]
    assert names == ["a b", "one", "two/"]
    refused(index.create_namespace, 409, name="one")
    index.delete_namespace(namespace="a b")
    refused(index.describe_namespace, 404, namespace="a b")


@work
def be_told_of_limits():
    index = open_index("limits")
    for vectors, words in (
        ([("a", [1.0, 0.0])], "dimension"),
        ([("a", [0.0, 0.0, 0.0])], "non-zero"),
        ([("a", [1.0, 0.0, 0.0], {"a": None})], "Metadata value"),
        ([("a", [1.0, 0.0, 0.0], {"a": {"b": 1}})], "Metadata value"),
        ([("a", [1.0, 0.0, 0.0], {"a": "x" * 50_000})], "Metadata size"),
        ([(str(i), [1.0, 0.0, 0.0]) for i in range(1001)], "1000 vectors"),
        ([(str(i), [1.0, 0.0, 0.0], {"a": "x" * 30_000}) for i in range(80)], "too large"),
    ):
        # Some of it newer clients refuse by themselves.
        said = refused(index.upsert, 400, None, vectors=vectors, namespace="n")
        assert words in said, said


class Twin:
    """A namespace as a dictionary, searched exactly."""

    def __init__(self, metric):
        self.metric, self.rows = metric, {}

    def scores(self, query, names):
        query = np.asarray(query, np.float32).astype(np.float64)
        block = np.stack([self.rows[name][0] for name in names]).astype(np.float64)
        if self.metric == "euclidean":
            return ((block - query) ** 2).sum(axis=1)
        inner = block @ query
        if self.metric == "dotproduct":
            return inner
        return inner / (np.linalg.norm(block, axis=1) * np.linalg.norm(query))


FILTERS = (
    (None, lambda one: True),
    ({"n": {"$gte": 4}}, lambda one: one["n"] >= 4),
    ({"n": {"$lt": 3}}, lambda one: one["n"] < 3),
    ({"t": "x"}, lambda one: one["t"] == "x"),
    ({"t": {"$nin": ["x", "y"]}}, lambda one: one["t"] not in "xy"),
    ({"b": {"$ne": True}}, lambda one: not one["b"]),
    ({"l": {"$in": ["p"]}}, lambda one: "p" in one["l"]),
    ({"m": {"$exists": True}}, lambda one: "m" in one),
    ({"$or": [{"n": 1}, {"t": "y"}]}, lambda one: one["n"] == 1 or one["t"] == "y"),
    ({"b": True, "n": {"$in": [0, 1, 2]}}, lambda one: one["b"] and one["n"] < 3),
)


class Machine:
    """Random calls, and the same on a dictionary."""

    def __init__(self, seed):
        self.rng, self.count = np.random.default_rng(seed), {}
        self.spaces = []
        for metric in METRICS:
            index = open_index(f"random-{metric}-{seed}", 5, metric)
            for name in ("one", "two"):
                index.create_namespace(name=name)
                self.spaces.append([index, name, Twin(metric), None])

    def run(self, count):
        names = [name[3:] for name in dir(self) if name.startswith("do_")]
        for _ in range(count):
            name = str(self.rng.choice(names))
            space = self.spaces[self.rng.integers(len(self.spaces))]
            self.count[name] = self.count.get(name, 0) + 1
            getattr(self, f"do_{name}")(space, *space[:3])
        return self.count

    # Tools.

    def some(self, most=5):
        return [f"{i % 3}:{i}" for i in self.rng.choice(40, self.rng.integers(1, most), False)]

    def vector(self):
        return [float(x) for x in self.rng.normal(size=5).astype(np.float32)]

    def metadata(self):
        made = {
            "n": int(self.rng.integers(8)),
            "t": str(self.rng.choice(["x", "y", "z"])),
            "b": bool(self.rng.integers(2)),
            "l": [str(one) for one in self.rng.choice(["p", "q", "r"], self.rng.integers(3))],
        }
        return {**made, "m": 0.5} if self.rng.random() < 0.3 else made

    def filter(self):
        return FILTERS[self.rng.integers(len(FILTERS))]

    def see(self, space):
        if space[3] is not None:
            wait(space[0], space[1], space[3], 5)
            space[3] = None

    # Calls.

    def do_upsert(self, space, index, name, twin):
        rows = [(one, self.vector(), self.metadata()) for one in self.some()]
        space[3] = number(index.upsert(vectors=rows, namespace=name), COMMITTED)
        twin.rows.update({one: (np.float32(values), more) for one, values, more in rows})

    def do_update(self, space, index, name, twin):
        one, values, changes = self.some(2)[0], self.vector(), {"n": 7, "t": "y"}
        answer = index.update(id=one, values=values, set_metadata=changes, namespace=name)
        space[3] = number(answer, COMMITTED)
        if one in twin.rows:
            twin.rows[one] = (np.float32(values), {**twin.rows[one][1], **changes})

    def do_delete(self, space, index, name, twin):
        filter, holds = self.filter()
        if filter is not None and self.rng.random() < 0.15:
            index.delete(filter=filter, namespace=name)
            gone = [one for one, row in twin.rows.items() if holds(row[1])]
        else:
            gone = self.some()
            index.delete(ids=gone, namespace=name)
        space[3] = mark(index, name)
        for one in gone:
            twin.rows.pop(one, None)

    def do_query(self, space, index, name, twin):
        self.see(space)
        (filter, holds), top_k = self.filter(), int(self.rng.integers(1, 50))
        given = {"vector": self.vector()}
        if twin.rows and self.rng.random() < 0.3:
            one = str(self.rng.choice(list(twin.rows)))
            given = {"id": one}
        query = given["vector"] if "vector" in given else twin.rows[given["id"]][0]
        if filter is not None:
            given["filter"] = filter
        found = index.query(
            top_k=top_k, namespace=name, include_metadata=True, include_values=True, **given
        ).matches
        names = [one for one, row in twin.rows.items() if holds(row[1])]
        scores = twin.scores(query, names) if names else np.empty(0)
        order = np.argsort(scores if twin.metric == "euclidean" else -scores)[:top_k]
        assert [one.id for one in found] == [names[i] for i in order]
        np.testing.assert_allclose([one.score for one in found], scores[order], 1e-9, 1e-9)
        for one in found:
            assert np.array_equal(np.float32(one.values), twin.rows[one.id][0])
            assert one.metadata == twin.rows[one.id][1]

    def do_fetch(self, space, index, name, twin):
        self.see(space)
        ids = self.some(9)
        found = index.fetch(ids=ids, namespace=name).vectors
        assert set(found) == set(ids) & set(twin.rows)
        for one, record in found.items():
            assert np.array_equal(np.float32(record.values), twin.rows[one][0])
            assert record.metadata == twin.rows[one][1]

    def do_list(self, space, index, name, twin):
        self.see(space)
        prefix = str(self.rng.choice(["0:", "1:", "2:1", "x"]))
        found = [
            getattr(one, "id", one)
            for page in index.list(prefix=prefix, limit=7, namespace=name)
            for one in getattr(page, "vectors", page)
        ]
        assert sorted(found) == sorted(one for one in twin.rows if one.startswith(prefix))

    def do_count(self, space, index, name, twin):
        self.see(space)
        assert int(index.describe_namespace(namespace=name).record_count) == len(twin.rows)
        counts = index.describe_index_stats().namespaces
        assert counts[name].vector_count == len(twin.rows)


@work
def random_calls_equal_a_dictionary():
    Machine(int(time.time() // 86400)).run(400)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--operations"]:
        started, machine = time.monotonic(), Machine(int(sys.argv[3]))
        done = machine.run(int(sys.argv[2]))
        print(pinecone.__version__, done, f"{time.monotonic() - started:.0f} s, all equal")
    else:
        main()
