"""What an index does: vectors and namespaces."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qstore_tf.testing.pinecone_emulator.conditions import check_metadata, compile_filter
from qstore_tf.testing.pinecone_emulator.records import Index, Namespace, Record
from qstore_tf.testing.pinecone_emulator.settings import (
    MAX_ID,
    MAX_IDS,
    MAX_PAGE,
    MAX_RESULT_BYTES,
    MAX_TOP_K,
    MAX_UPSERT_BYTES,
    MAX_VECTORS,
    VERSIONS,
    Refused,
)

Json = dict[str, Any]
Answer = tuple[Json, dict[str, str]]
_DEFAULT = "__default__"


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes:
        index: For which index.
        version: Of the API.
        body: Its JSON.
        query: Behind the question mark.
        path: What the pattern of the path found.
        size: Bytes of the body.
    """

    index: Index
    version: str
    body: Json
    query: Any
    path: tuple[str, ...]
    size: int

    @property
    def name(self) -> str:
        """The namespace."""
        given = self.body.get("namespace", self.query.get("namespace"))
        return given or _DEFAULT

    @property
    def there(self) -> Namespace | None:
        """The namespace, if there is one."""
        if self.name == _DEFAULT:
            return self.index.namespace(_DEFAULT)
        return self.index.namespaces.get(self.name)

    @property
    def records(self) -> Mapping[str, Record]:
        """What reads see of it."""
        return {} if self.there is None else self.there.records()

    def matcher(self) -> Callable[[Mapping[str, Any]], bool]:
        """Whether metadata match the filter."""
        return compile_filter(self.body["filter"], self.index.settings.ne_finds_missing)


def _check_id(value: Any) -> str:
    good = isinstance(value, str) and 1 <= len(value) <= MAX_ID
    if not (good and value.isascii() and "\0" not in value):
        raise Refused(400, f"Vector ID must be 1 to {MAX_ID} ASCII characters, got {value!r:.80}")
    return str(value)


def _check_ids(values: Any) -> list[str]:
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_IDS:
        raise Refused(400, f"There must be 1 to {MAX_IDS} ids")
    return [_check_id(value) for value in values]


def _written(lsn: int) -> dict[str, str]:
    return {"x-pinecone-request-lsn": str(lsn)}


def upsert(asked: Asked) -> Answer:
    """POST /vectors/upsert."""
    if asked.size > MAX_UPSERT_BYTES:
        raise Refused(
            400,
            f"Error, message length too large: found {asked.size} bytes, the limit is: "
            f"{MAX_UPSERT_BYTES} bytes",
        )
    vectors = asked.body.get("vectors")
    if not isinstance(vectors, list) or not 1 <= len(vectors) <= MAX_VECTORS:
        raise Refused(400, f"An upsert must have 1 to {MAX_VECTORS} vectors")
    _check_namespace(asked.name)
    read: dict[str, Record] = {}
    for one in vectors:
        name = _check_id(one.get("id"))
        metadata = check_metadata(name, one.get("metadata") or {})
        read[name] = Record(asked.index.vector(one.get("values"), "Vector"), metadata)
    lsn = asked.index.namespace(asked.name).write(lambda records: records.update(read))
    return {"upsertedCount": len(vectors)}, _written(lsn)


def update(asked: Asked) -> Answer:
    """POST /vectors/update; an id that is not there is no error."""
    name = _check_id(asked.body.get("id"))
    values = asked.body.get("values")
    vector = None if not values else asked.index.vector(values, "Vector")
    metadata = check_metadata(name, asked.body.get("setMetadata") or {})

    def effect(records: dict[str, Record]) -> None:
        if name in records:
            old = records[name]
            new = old.values if vector is None else vector
            records[name] = Record(new, {**old.metadata, **metadata})

    if asked.there is None:
        return {}, {}
    return {}, _written(asked.there.write(effect))


def delete(asked: Asked) -> Answer:
    """POST /vectors/delete."""
    ways = [key for key in ("ids", "deleteAll", "filter") if asked.body.get(key)]
    if len(ways) != 1:
        raise Refused(400, "Exactly one of ids, deleteAll and filter must be given")
    if ways == ["ids"]:
        ids = _check_ids(asked.body["ids"])

        def effect(records: dict[str, Record]) -> None:
            for name in ids:
                records.pop(name, None)
    else:
        matches = asked.matcher() if ways == ["filter"] else lambda metadata: True

        def effect(records: dict[str, Record]) -> None:
            for name in [name for name, one in records.items() if matches(one.metadata)]:
                del records[name]

    if asked.there is None:
        raise Refused(404, "Namespace not found")
    return {}, _written(asked.there.write(effect))


def query(asked: Asked) -> Answer:
    """POST /query."""
    body, top_k = asked.body, asked.body.get("topK")
    if type(top_k) is not int or not 1 <= top_k <= MAX_TOP_K:
        raise Refused(400, f"topK must be from 1 to {MAX_TOP_K}")
    records = asked.records
    if "id" in body:
        name = _check_id(body["id"])
        vector = records[name].values if name in records else None
    else:
        vector = asked.index.vector(body.get("vector"), "Query vector")
    matches = []
    there = asked.there
    accepts = asked.matcher() if body.get("filter") is not None else None
    if there is not None and vector is not None:
        ids, block = there.block()
        if accepts is not None:
            kept = [i for i, name in enumerate(ids) if accepts(records[name].metadata)]
            ids, block = [ids[i] for i in kept], block[kept]
        scores = asked.index.scores(vector, block)
        for place in asked.index.order(scores, ids, top_k):
            match: Json = {"id": ids[place], "score": float(scores[place]), "values": []}
            record = records[ids[place]]
            if body.get("includeValues"):
                match["values"] = record.values.tolist()
            if body.get("includeMetadata"):
                match["metadata"] = record.metadata
            matches.append(match)
    answer = {"matches": matches, "namespace": asked.body.get("namespace", "")}
    if len(json.dumps(answer, separators=(",", ":"))) > MAX_RESULT_BYTES:
        raise Refused(400, "The result is larger than 4 MB; use a lower topK or include less")
    indexed = 0 if there is None else there.indexed
    usage = {"readUnits": 1}
    return {**answer, "usage": usage}, {"x-pinecone-max-indexed-lsn": str(indexed)}


def fetch(asked: Asked) -> Answer:
    """GET /vectors/fetch."""
    records = asked.records
    found = {
        name: {"id": name, "values": record.values.tolist(), "metadata": record.metadata}
        for name in _check_ids(asked.query.getlist("ids"))
        if (record := records.get(name)) is not None
    }
    namespace = asked.query.get("namespace", "")
    return {"vectors": found, "namespace": namespace, "usage": {"readUnits": 1}}, {}


def _page(names: list[str], query: Any) -> tuple[list[str], Json]:
    """A page of sorted names, and where the next one begins."""
    limit = query.get("limit", str(MAX_PAGE))
    if not limit.isdecimal() or not 1 <= int(limit) <= MAX_PAGE:
        raise Refused(400, f"limit must be from 1 to {MAX_PAGE}")
    token, after = query.get("paginationToken"), ""
    if token:
        try:
            after = base64.urlsafe_b64decode(token).decode()
        except ValueError:
            raise Refused(400, "Invalid pagination token") from None
    names = sorted(name for name in names if name > after)
    page = names[: int(limit)]
    if len(names) == len(page):
        return page, {}
    following = base64.urlsafe_b64encode(page[-1].encode()).decode()
    return page, {"pagination": {"next": following}}


def list_ids(asked: Asked) -> Answer:
    """GET /vectors/list."""
    prefix = asked.query.get("prefix", "")
    names = [name for name in asked.records if name.startswith(prefix)]
    page, pagination = _page(names, asked.query)
    answer = {"vectors": [{"id": name} for name in page], "namespace": asked.name, **pagination}
    return {**answer, "usage": {"readUnits": 1}}, {}


def stats(asked: Asked) -> Answer:
    """POST /describe_index_stats."""
    accepts = asked.matcher() if asked.body.get("filter") else lambda metadata: True
    counts = {
        "" if name == _DEFAULT else name: sum(
            accepts(record.metadata) for record in namespace.records().values()
        )
        for name, namespace in asked.index.namespaces.items()
    }
    return {
        "namespaces": {name: {"vectorCount": count} for name, count in counts.items()},
        "dimension": asked.index.dimension,
        "indexFullness": 0.0,
        "totalVectorCount": sum(counts.values()),
        "metric": asked.index.metric,
        "vectorType": "dense",
    }, {}


# Namespaces.


def _check_namespace(name: Any) -> str:
    good = isinstance(name, str) and 1 <= len(name) <= MAX_ID
    if not (good and name.isascii() and "\0" not in name):
        raise Refused(400, f"A namespace must be 1 to {MAX_ID} ASCII characters, got {name!r:.80}")
    return str(name)


def _described(asked: Asked, name: str) -> Json:
    if name not in asked.index.namespaces:
        raise Refused(404, f"Namespace {name} not found")
    count = len(asked.index.namespaces[name].records())
    # The newer version writes counts as strings.
    return {"name": name, "record_count": count if asked.version == VERSIONS[0] else str(count)}


def create_namespace(asked: Asked) -> Answer:
    """POST /namespaces."""
    name = _check_namespace(asked.body.get("name"))
    if name == _DEFAULT or name in asked.index.namespaces:
        raise Refused(409, f"Namespace {name} already exists")
    asked.index.namespace(name)
    return _described(asked, name), {}


def describe_namespace(asked: Asked) -> Answer:
    """GET /namespaces/NAME."""
    return _described(asked, asked.path[0]), {}


def delete_namespace(asked: Asked) -> Answer:
    """DELETE /namespaces/NAME."""
    if asked.index.namespaces.pop(asked.path[0], None) is None:
        raise Refused(404, "Namespace not found")
    return {}, {}


def list_namespaces(asked: Asked) -> Answer:
    """GET /namespaces."""
    prefix = asked.query.get("prefix", "")
    names = [name for name in asked.index.namespaces if name.startswith(prefix)]
    page, pagination = _page(names, asked.query)
    listed = [_described(asked, name) for name in page]
    return {"namespaces": listed, "total_count": len(names), **pagination}, {}


ROUTES: tuple[tuple[str, re.Pattern[str], Callable[[Asked], Answer]], ...] = tuple(
    (method, re.compile(path), route)
    for method, path, route in (
        ("POST", "vectors/upsert", upsert),
        ("POST", "vectors/update", update),
        ("POST", "vectors/delete", delete),
        ("POST", "query", query),
        ("GET", "vectors/fetch", fetch),
        ("GET", "vectors/list", list_ids),
        ("POST", "describe_index_stats", stats),
        ("POST", "namespaces", create_namespace),
        ("GET", "namespaces", list_namespaces),
        ("GET", "namespaces/(.+)", describe_namespace),
        ("DELETE", "namespaces/(.+)", delete_namespace),
    )
)
