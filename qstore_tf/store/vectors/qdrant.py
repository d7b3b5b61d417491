"""Vectors in Qdrant: on a server, or in qdrant-client's own local mode.

One collection for each namespace. A point is named by a UUID made of the record's id; its payload
holds the id, and the metadata apart by type, since Qdrant would compare `True` with 1.
"""

from __future__ import annotations

import builtins
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from qstore_tf.errors import (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    QstoreError,
    RefusedError,
    UnreachableError,
    describe,
)
from qstore_tf.store.arguments.filters import COMPARISONS, And, Compare, Not, Or, Tree
from qstore_tf.store.vectors.base import (
    Capabilities,
    Commit,
    Found,
    IdPage,
    Metadata,
    Record,
    Space,
    Vectors,
    require,
)
from qstore_tf.store.vectors.checked import Batch, CheckedBackend

_NAMES = uuid.UUID("6b1f2a52-6f0f-5d0b-9c6e-6a3f6f1d9b10")  # of the UUIDs made of ids
_LONGEST = 255  # characters of a collection's name
_DISTANCES = {"cosine": "Cosine", "dot": "Dot", "l2": "Euclid"}
_TEXT, _NUMBER, _BOOL = "text", "number", "bool"  # parts of the payload
_KEYS = "keys"  # the keys of all of them


class QdrantVectors(CheckedBackend):
    """A store in Qdrant.

    Args:
        url: A server, such as "http://localhost:6333".
        path: A folder, for qdrant-client's local mode: small, one process at a time.
        api_key: The server's key.
        client: A `QdrantClient` of yours instead. Without all three, points are kept in memory.
        index_name: What its collections' names begin with.
        exact: Whether searches look at all points; else Qdrant's index may miss some.
        timeout_s: For one request, in seconds.
        **options: Further arguments of `QdrantClient`, such as `prefer_grpc`.

    Raises:
        LibraryError: qdrant-client is missing.
        UnreachableError: The server does not answer, when it is first asked.

    Example:
        >>> store = QdrantVectors()
        >>> store.create("films", 2, "cosine")
        >>> store.upsert("films", ["a", "b"], [[1, 0], [1, 1]], [{"year": 1999}, {"year": 2001}])
        Commit(token=None)
        >>> store.search("films", [[1, 0.1]], 1)[0].ids
        ('a',)
        >>> store.close()
    """

    name = "qdrant"

    def __init__(
        self,
        url: str | None = None,
        *,
        path: str | None = None,
        api_key: str | None = None,
        client: Any = None,
        index_name: str = "vectors",
        exact: bool = True,
        timeout_s: float = 30.0,
        **options: Any,
    ) -> None:
        super().__init__()
        if sum(given is not None for given in (url, path, client)) > 1:
            raise ConfigurationError(
                describe(
                    "The store 'qdrant' is given several places",
                    expected="one of url, path and client",
                )
            )
        if client is not None and (options or api_key is not None):
            raise ConfigurationError(
                describe(
                    "A client that is given takes no options",
                    received=sorted({*options, *(["api_key"] if api_key else [])}),
                    hint="Make the client with them.",
                )
            )
        library = require("qdrant_client", self.name, "qdrant")
        self._models = library.models
        self._failures = require("qdrant_client.http.exceptions", self.name, "qdrant")
        self._busy = require("qdrant_client.common.client_exceptions", self.name, "qdrant")
        self.capabilities = Capabilities(
            durable=not (url is None and path is None and client is None),
            exact=exact,
            filters=frozenset(COMPARISONS),
            max_batch=500,
        )
        self._exact, self._prefix = exact, f"{escape(index_name)}--"
        self._owns = client is None
        self._lock: Any = nullcontext()
        if client is None:
            place: dict[str, Any] = {"location": ":memory:"}
            if url is not None:
                place = {"url": url, "api_key": api_key, "timeout": max(1, int(timeout_s))}
            elif path is not None:
                place = {"path": path}
            with self._errors():
                client = library.QdrantClient(**place, **options)
        self._client = client
        self._is_local = type(getattr(client, "_client", None)).__name__ == "QdrantLocal"
        if self._is_local:  # which is not made for threads
            self._lock = threading.RLock()

    def close(self) -> None:
        """Closes the client, unless it is yours."""
        if self._owns:
            self._client.close()

    @contextmanager
    def _errors(self, namespace: str | None = None) -> Iterator[None]:
        """Turns the client's errors into ours."""
        failures = self._failures
        try:
            with self._lock:
                yield
        except QstoreError:
            raise
        except failures.UnexpectedResponse as error:
            raise self._refusal(error, namespace) from error
        except self._busy.ResourceExhaustedResponse as error:
            busy = UnreachableError(describe(f"Qdrant is busy ({error})"))
            busy.retry_after_s = float(error.retry_after_s)  # type: ignore[attr-defined]
            raise busy from error
        except failures.ResponseHandlingException as error:
            raise UnreachableError(describe(f"Qdrant cannot be reached ({error})")) from error
        except (ValueError, RuntimeError) as error:  # of the local mode
            if namespace is not None and "not found" in str(error):
                self._forget(namespace)
                raise self._missing(namespace) from error
            raise RefusedError(describe(f"Qdrant refused ({error})")) from error
        except Exception as error:
            if type(error).__module__.startswith("grpc"):
                raise UnreachableError(describe(f"Qdrant cannot be reached ({error})")) from error
            raise

    def _refusal(self, error: Any, namespace: str | None) -> QstoreError:
        status = int(error.status_code or 0)
        if status == 404 and namespace is not None:
            self._forget(namespace)
            return self._missing(namespace)
        text = error.content.decode("utf-8", "replace")[:300]
        kind = {401: AuthenticationError, 403: AuthenticationError}.get(
            status, UnreachableError if status == 429 or status >= 500 else RefusedError
        )
        raised = kind(describe(f"Qdrant answered with status {status} ({text})"))
        raised.status, raised.text = status, text
        return raised

    def _collection(self, namespace: str) -> str:
        return self._prefix + escape(namespace)

    def _new_space(self, namespace: str, dimension: int, metric: str) -> Space:
        space = super()._new_space(namespace, dimension, metric)
        if len(self._collection(namespace)) > _LONGEST:
            raise ConfigurationError(
                describe(
                    "A namespace's name is too long for a collection of Qdrant",
                    expected=f"at most {_LONGEST} characters as {self._collection(namespace)!r}",
                    received=namespace,
                )
            )
        return space

    def _find(self, namespace: str) -> Space | None:
        collection = self._collection(namespace)
        with self._errors():
            if not self._client.collection_exists(collection):
                return None
        try:
            with self._errors(namespace):
                vectors = self._client.get_collection(collection).config.params.vectors
        except NotFoundError:  # dropped meanwhile
            return None
        kinds = {value: key for key, value in _DISTANCES.items()}
        return Space(int(vectors.size), kinds.get(str(vectors.distance.value), "other"))

    def _create(self, namespace: str, space: Space) -> None:
        models = self._models
        params = models.VectorParams(
            size=space.dimension, distance=models.Distance(_DISTANCES[space.metric])
        )
        try:
            with self._errors():
                self._client.create_collection(self._collection(namespace), vectors_config=params)
        except RefusedError:
            if self._find(namespace) is None:  # else another process was first
                raise

    def _drop(self, namespace: str) -> None:
        collection = self._collection(namespace)
        with self._errors():
            if self._client.collection_exists(collection):
                self._client.delete_collection(collection)

    def namespaces(self) -> builtins.list[str]:
        """The names of all namespaces, sorted."""
        with self._errors():
            names = [one.name for one in self._client.get_collections().collections]
        start = len(self._prefix)
        return sorted(unescape(one[start:]) for one in names if one.startswith(self._prefix))

    def _upsert(self, namespace: str, space: Space, batch: Batch) -> Commit:
        lengths = np.linalg.norm(batch.vectors.astype(np.float64), axis=1)
        points = []
        for i, name in enumerate(batch.ids):
            payload = {"id": name, **to_payload(batch.metadata[i])}
            if space.metric == "cosine":  # Qdrant keeps the direction alone
                payload["length"] = float(lengths[i])
            points.append(
                self._models.PointStruct(
                    id=_point(name), vector=batch.vectors[i].tolist(), payload=payload
                )
            )
        with self._errors(namespace):
            self._client.upsert(self._collection(namespace), points=points, wait=True)
        return Commit()

    def _fetch(
        self, namespace: str, space: Space, ids: builtins.list[str]
    ) -> builtins.list[Record]:
        with self._errors(namespace):
            points = self._client.retrieve(
                self._collection(namespace),
                ids=[_point(name) for name in ids],
                with_payload=True,
                with_vectors=True,
            )
        return [
            Record(
                point.payload["id"],
                (np.asarray(point.vector) * point.payload.get("length", 1.0)).astype(np.float32),
                from_payload(point.payload),
            )
            for point in points
        ]

    def _delete(self, namespace: str, ids: builtins.list[str]) -> Commit:
        if ids:
            selector = self._models.PointIdsList(points=[_point(name) for name in ids])
            self._remove(namespace, selector)
        return Commit()

    def _delete_matching(self, namespace: str, filter: Tree) -> Commit:
        chosen = to_qdrant(filter, self._models)
        self._remove(namespace, self._models.FilterSelector(filter=chosen))
        return Commit()

    def _remove(self, namespace: str, selector: Any) -> None:
        with self._errors(namespace):
            self._client.delete(self._collection(namespace), points_selector=selector, wait=True)

    def _search(
        self, namespace: str, space: Space, queries: Vectors, k: int, filter: Tree | None
    ) -> builtins.list[Found]:
        models = self._models
        chosen = to_qdrant(filter, models) if filter is not None else None
        requests = [
            models.QueryRequest(
                query=query.tolist(),
                filter=chosen,
                limit=k,
                params=None if self._is_local else models.SearchParams(exact=self._exact),
                with_payload=True,
            )
            for query in queries
        ]
        with self._errors(namespace):
            answers = self._client.query_batch_points(self._collection(namespace), requests)
        score: Callable[[float], float] = (
            (lambda distance: -(distance**2)) if space.metric == "l2" else float
        )
        return [
            Found.of(
                [
                    (point.payload["id"], score(point.score), from_payload(point.payload))
                    for point in answer.points
                ]
            )
            for answer in answers
        ]

    def _list(self, namespace: str, prefix: str, token: str | None, limit: int) -> IdPage:
        ids: builtins.list[str] = []
        while True:
            with self._errors(namespace):
                points, token = self._client.scroll(
                    self._collection(namespace),
                    limit=limit - len(ids),
                    offset=token,
                    with_payload=["id"],
                )
            names = (point.payload["id"] for point in points)
            ids.extend(name for name in names if name.startswith(prefix))
            if token is None or len(ids) == limit:
                return IdPage(tuple(ids), None if token is None else str(token))

    def _count(self, namespace: str) -> tuple[int, int | None]:
        with self._errors(namespace):
            return int(self._client.count(self._collection(namespace), exact=True).count), None


def escape(name: str) -> str:
    """Writes a name with letters, digits and `_` alone; other bytes become `-` and two digits.

    Example:
        >>> escape("a.b-c_d"), unescape("a-2eb-2dc_d")
        ('a-2eb-2dc_d', 'a.b-c_d')
    """
    return "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 or byte == 95 else f"-{byte:02x}"
        for byte in name.encode()
    )


def unescape(text: str) -> str:
    """Reads what `escape` wrote."""
    first, *rest = text.split("-")
    encoded = first.encode() + b"".join(
        bytes.fromhex(part[:2]) + part[2:].encode() for part in rest
    )
    return encoded.decode()


def to_payload(metadata: Metadata) -> dict[str, Any]:
    """Sorts metadata by type, under keys that paths of Qdrant can name.

    Example:
        >>> to_payload({"a.b": 1, "new": True})
        {'keys': ['a-2eb', 'new'], 'number': {'a-2eb': 1}, 'bool': {'new': 'true'}}
    """
    payload: dict[str, Any] = {_KEYS: [escape(key) for key in metadata]}
    for key, value in metadata.items():
        payload.setdefault(_part(value), {})[escape(key)] = _stored(value)
    return payload


def from_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Reads what `to_payload` wrote, in the order of its keys."""
    bools = {key: value == "true" for key, value in payload.get(_BOOL, {}).items()}
    merged = {**payload.get(_TEXT, {}), **payload.get(_NUMBER, {}), **bools}
    return {unescape(key): merged[key] for key in payload.get(_KEYS, [])}


def _stored(value: Any) -> Any:
    """Bools as words: not every part of Qdrant tells them from numbers."""
    return str(value).lower() if isinstance(value, bool) else value


def _part(value: Any) -> str:
    if isinstance(value, bool):
        return _BOOL
    return _NUMBER if isinstance(value, (int, float)) else _TEXT


def _point(name: str) -> str:
    return str(uuid.uuid5(_NAMES, name))


def to_qdrant(tree: Tree, models: Any) -> Any:
    """Writes a filter as a `Filter` of Qdrant.

    Args:
        tree: The filter.
        models: `qdrant_client.models`.

    Returns:
        A `Filter` on payloads that `to_payload` made.
    """
    if isinstance(tree, Not):
        return models.Filter(must_not=[to_qdrant(tree.child, models)])
    if isinstance(tree, And):
        return models.Filter(must=[to_qdrant(child, models) for child in tree.children])
    if isinstance(tree, Or):
        return _any_of([to_qdrant(child, models) for child in tree.children], models)
    if tree.operator == "exists":
        match = models.MatchValue(value=escape(tree.key))
        condition = models.FieldCondition(key=_KEYS, match=match)
        return models.Filter(**{"must" if tree.value else "must_not": [condition]})
    if tree.operator in ("ne", "nin"):
        opposite = {"ne": "eq", "nin": "in"}[tree.operator]
        equal = to_qdrant(Compare(tree.key, opposite, tree.value), models)
        return models.Filter(must_not=[equal])
    if tree.operator in ("eq", "in"):
        values = [tree.value] if tree.operator == "eq" else list(tree.value)
        return _any_of([_equal(tree.key, value, models) for value in values], models)
    bounds = models.Range(**{tree.operator: tree.value})
    condition = models.FieldCondition(key=f"{_NUMBER}.{escape(tree.key)}", range=bounds)
    return models.Filter(must=[condition])


def _equal(key: str, value: Any, models: Any) -> Any:
    part = _part(value)
    path = f"{part}.{escape(key)}"
    if part == _NUMBER:  # 1 and 1.0 are equal; Qdrant's own equality knows integers alone
        return models.FieldCondition(key=path, range=models.Range(gte=value, lte=value))
    return models.FieldCondition(key=path, match=models.MatchValue(value=_stored(value)))


def _any_of(conditions: list[Any], models: Any) -> Any:
    if not conditions:
        return models.Filter(must=[models.HasIdCondition(has_id=[])])  # nothing
    return models.Filter(should=conditions)
