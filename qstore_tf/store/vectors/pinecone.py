"""Vectors in Pinecone, or in what keeps its wire.

Namespaces of one dimension and metric are namespaces of one index, which is made when the first of
them is: "vectors-cosine-128". An index that is called as the store itself is used where it fits.
"""

from __future__ import annotations

import builtins
import inspect
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from qstore_tf.errors import (
    ConfigurationError,
    ItemError,
    NotFoundError,
    RefusedError,
    describe,
)
from qstore_tf.ionq.service.clock import Clock
from qstore_tf.ionq.service.retrying import Retries
from qstore_tf.store.arguments.filters import COMPARISONS, Tree
from qstore_tf.store.vectors import pinecone_forms as forms
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
from qstore_tf.store.vectors.pinecone_calls import Calls, find_key, header
from qstore_tf.store.vectors.pinecone_indexes import LONGEST_INDEX, Indexes, next_token

_LONGEST_NAMESPACE = 512
_METADATA_BYTES = 40 * 1024
_PAGE = 100  # ids
_THREADS = 8
_COMMITTED = ("x-pinecone-request-lsn", "x-pinecone-lsn-committed")
_INDEXED = ("x-pinecone-max-indexed-lsn", "x-pinecone-lsn-reconciled")


class PineconeVectors(CheckedBackend):
    """A store in Pinecone.

    Pinecone makes a namespace anew when something is written to one that somebody else has deleted;
    a search there, while it is empty, is a `NotFoundError`.

    Args:
        api_key: The key; None: that of the variable PINECONE_API_KEY. It is handed to the client,
            and kept nowhere else: not in `repr`, messages, logs or pickles.
        host: Where indexes are made, such as a local server; None: as the client says.
        client: A `pinecone.Pinecone` of yours instead.
        index_name: What its indexes' names begin with.
        cloud: Where new indexes are.
        region: The same.
        timeout_s: For one request, in s.
        retries: The pauses of this store between tries, and for how long it tries; the client tries
            a few times by itself beneath.
        lag_s: For how long searches may not see a write, in s, where the service does not tell.
        patience_s: How long `flush`, and a new index, may take, in s.
        clock: The clock.
        **options: Further arguments of `pinecone.Pinecone`, such as `proxy_url`.

    Raises:
        LibraryError: pinecone is missing.
        ConfigurationError: There is no API key.

    Example:
        >>> from qstore_tf.testing.pinecone_emulator import PineconeEmulator
        >>> with PineconeEmulator() as emulator:
        ...     store = PineconeVectors("any-key", host=emulator.url)
        ...     store.create("films", 2, "cosine")
        ...     _ = store.upsert("films", ["a", "b"], [[1, 0], [1, 1]], [{"year": 1999}, {}])
        ...     store.flush("films")
        ...     found = store.search("films", [[1, 0.1]], 1)
        ...     store.close()
        >>> found[0].ids
        ('a',)
    """

    name = "pinecone"
    capabilities = Capabilities(
        immediate=False,
        exact=False,
        filters=frozenset(COMPARISONS),
        max_dimension=20_000,
        max_batch=1000,
        max_top_k=10_000,
        max_metadata_bytes=_METADATA_BYTES,
    )

    def __init__(
        self,
        api_key: str | None = None,
        *,
        host: str | None = None,
        client: Any = None,
        index_name: str = "vectors",
        cloud: str = "aws",
        region: str = "us-east-1",
        timeout_s: float = 30.0,
        retries: Retries | None = None,
        lag_s: float = 60.0,
        patience_s: float = 120.0,
        clock: Clock | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        longest = f"{index_name}-cosine-{self.capabilities.max_dimension}"
        allowed = "abcdefghijklmnopqrstuvwxyz0123456789-"
        if len(longest) > LONGEST_INDEX or set(index_name) - set(allowed) or index_name[:1] == "-":
            raise ConfigurationError(
                describe(
                    "This cannot begin the name of an index of Pinecone",
                    expected=f"lower case letters, digits and -, {LONGEST_INDEX - 13} at most",
                    received=index_name,
                )
            )
        if client is not None and (options or host is not None or api_key is not None):
            raise ConfigurationError(
                describe(
                    "A client of yours has its address and its key: the store takes no api_key, "
                    "host or options beside it",
                    received=sorted(options),
                )
            )
        library = require("pinecone", self.name, "pinecone")
        self._settings = {
            "host": host,
            "index_name": index_name,
            "cloud": cloud,
            "region": region,
            "timeout_s": timeout_s,
            "retries": retries,
            "lag_s": lag_s,
            "patience_s": patience_s,
        }
        self._base, self._lag_s, self._patience_s = index_name, lag_s, patience_s
        self._clock, self._owns = clock or Clock(), client is None
        has_timeout = "timeout" in inspect.signature(library.Pinecone.__init__).parameters
        key = ""
        if client is None:
            key = find_key(api_key)
            given = {"host": host, **({"timeout": timeout_s} if has_timeout else {}), **options}
            client = library.Pinecone(api_key=key, **given)
        self._call = Calls(key, retries or Retries(0.25, 20.0, 10.0), self._clock)
        self._indexes = Indexes(
            client,
            self._call,
            # Client 8 takes the timeout at each call, newer ones once.
            {} if has_timeout else {"_request_timeout": timeout_s},
            base=index_name,
            spec=library.ServerlessSpec(cloud=cloud, region=region),
            clock=self._clock,
            patience_s=patience_s,
        )
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def __repr__(self) -> str:
        return f"PineconeVectors(index_name={self._base!r}, host={self._settings['host']!r})"

    def __reduce__(self) -> Any:
        if not self._owns:
            raise TypeError("A store of Pinecone with a client of yours cannot be pickled")
        return _reopened, (self._settings,)  # with the key of its environment

    def close(self) -> None:
        """Closes the connections; a client of yours stays open."""
        self._call.close()
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        self._indexes.close(with_client=self._owns)

    # Namespaces.

    def _new_space(self, namespace: str, dimension: int, metric: str) -> Space:
        space = super()._new_space(namespace, dimension, metric)
        if len(forms.namespace_name(namespace)) > _LONGEST_NAMESPACE:
            raise ConfigurationError(
                describe(
                    "A namespace's name is too long for Pinecone",
                    expected=f"at most {_LONGEST_NAMESPACE} characters, of which others than ASCII "
                    "count up to 12",
                    received=namespace,
                )
            )
        return space

    def _find(self, namespace: str) -> Space | None:
        return self._indexes.find(namespace)

    def _create(self, namespace: str, space: Space) -> None:
        self._indexes.create(namespace, space)

    def _drop(self, namespace: str) -> None:
        self._forget(namespace)
        self._indexes.drop(namespace)

    def _forget(self, namespace: str) -> None:
        super()._forget(namespace)
        self._indexes.forget(namespace)

    def namespaces(self) -> builtins.list[str]:
        """The names of all namespaces, sorted."""
        return self._indexes.namespaces()

    def _data(self, namespace: str, method: str, **arguments: Any) -> Any:
        """Calls a method of a namespace's index."""
        handle = self._indexes.of(namespace)
        if handle is None:
            self._forget(namespace)
            raise self._missing(namespace)
        try:
            remote = forms.namespace_name(namespace)
            return self._indexes.ask(getattr(handle, method), namespace=remote, **arguments)
        except NotFoundError:
            self._forget(namespace)
            raise self._missing(namespace) from None

    # Writing.

    def _check_record(self, id: str, metadata: Metadata) -> None:
        forms.check_metadata(id, {k: v for k, v in metadata.items() if _is_writable(v)})
        super()._check_record(id, metadata)
        name, sent = forms.escape(id), forms.to_metadata(metadata, True)
        size = forms.metadata_bytes(sent)
        if len(name) > forms.LONGEST_ID or size > _METADATA_BYTES:
            raise ItemError(
                describe(
                    f"The record {id!r} is too long for the store {self.name!r}",
                    expected=f"an id of {forms.LONGEST_ID} characters and metadata of "
                    f"{_METADATA_BYTES} bytes at most, other characters than ASCII escaped",
                    received=f"{len(name)} characters and {size} bytes",
                )
            )

    def _upsert(self, namespace: str, space: Space, batch: Batch) -> Commit:
        commit = Commit()
        for records in forms.upserts(batch, space.dimension):
            answer = self._data(namespace, "upsert", vectors=records)
            commit = self._commit(header(answer, *_COMMITTED))
        return commit

    def _delete(self, namespace: str, ids: builtins.list[str]) -> Commit:
        if not ids:
            return Commit()
        return self._deleted(namespace, ids=[forms.escape(name) for name in ids])

    def _delete_matching(self, namespace: str, filter: Tree) -> Commit:
        chosen = forms.to_filter(filter)
        if chosen is False:
            return Commit()
        given = {"delete_all": True} if chosen is True else {"filter": chosen}
        return self._deleted(namespace, **given)

    def _deleted(self, namespace: str, **given: Any) -> Commit:
        number = header(self._data(namespace, "delete", **given), *_COMMITTED)
        # Client 10 does not hand on what the service tells of a delete.
        return self._commit(number) if number is not None else self._mark(namespace)

    def _mark(self, namespace: str) -> Commit:
        """A write that changes nothing: it comes after all before it in the service's log."""
        answer = self._data(namespace, "update", id=forms.ABSENT_ID, set_metadata={"mark": True})
        return self._commit(header(answer, *_COMMITTED))

    def _commit(self, number: int | None) -> Commit:
        """Place in the log where it is known, and the time, for where it is not."""
        return Commit(f"{'' if number is None else number}~{self._clock.time():.3f}")

    def reconciled(self, namespace: str, commit: Commit) -> bool:
        """Whether every search sees a write from now on, as far as the service tells."""
        if commit.token is None:
            return True
        number, _, time = commit.token.partition("~")
        if number:
            first = [1.0] + [0.0] * (self._space(namespace).dimension - 1)
            answer = self._data(namespace, "query", vector=first, top_k=1)
            indexed = header(answer, *_INDEXED)
            if indexed is not None:
                return indexed >= int(number)
        return self._clock.time() - float(time) >= self._lag_s

    def flush(self, namespace: str) -> None:
        """Returns when all that was acknowledged is found by searches.

        Raises:
            UnreachableError: It took longer than `patience_s`.
        """
        self._space(namespace)
        commit = self._mark(namespace)
        end = self._clock.monotonic() + self._patience_s
        pause = 0.01
        while not self.reconciled(namespace, commit):
            self._indexes.wait(
                pause, end, f"Searches of {namespace!r} in Pinecone do not see all writes"
            )
            pause = min(2 * pause, 1.0)

    # Reading.

    def _fetch(
        self, namespace: str, space: Space, ids: builtins.list[str]
    ) -> builtins.list[Record]:
        names = [forms.escape(name) for name in ids]
        return [
            record
            for part in forms.fetches(names, space.dimension)
            for record in self._fetched(namespace, part)
        ]

    def _fetched(self, namespace: str, names: builtins.list[str]) -> builtins.list[Record]:
        try:
            answer = self._data(namespace, "fetch", ids=names)
        except RefusedError:
            if len(names) == 1:
                raise
            half = len(names) // 2  # more than one answer holds, perhaps
            return self._fetched(namespace, names[:half]) + self._fetched(namespace, names[half:])
        found = []
        for name, one in answer.vectors.items():
            vector = np.asarray(one.values, np.float32)
            if (one.metadata or {}).get(forms.ZERO):
                vector = np.zeros_like(vector)
            found.append(Record(forms.unescape(name), vector, forms.from_metadata(one.metadata)))
        return found

    def _search(
        self, namespace: str, space: Space, queries: Vectors, k: int, filter: Tree | None
    ) -> builtins.list[Found]:
        chosen = True if filter is None else forms.to_filter(filter)
        if chosen is False:
            return [Found.of([]) for _ in queries]
        given = {} if chosen is True else {"filter": chosen}
        if len(queries) == 1:
            return [self._found(namespace, space, queries[0], k, given)]
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_THREADS, "qstore-pinecone")
            pool = self._pool
        asked = [pool.submit(self._found, namespace, space, one, k, given) for one in queries]
        return [one.result() for one in asked]

    def _found(
        self, namespace: str, space: Space, query: Vectors, k: int, given: dict[str, Any]
    ) -> Found:
        is_zero = not query.any()
        asked = {"vector": forms.to_values(query, is_zero), "top_k": k, **given}
        try:
            answer = self._data(namespace, "query", include_metadata=True, **asked)
            rows = [(one.id, one.score, one.metadata) for one in answer.matches]
        except RefusedError:
            if k == 1:
                raise
            # More than one answer holds, perhaps: the metadata apart.
            rows = self._found_apart(namespace, space, asked)
        if not rows:  # so answers Pinecone for a namespace that is not there, too
            self._data(namespace, "describe_namespace")
        sign = -1.0 if space.metric == "l2" else 0.0 if is_zero else 1.0
        return Found.of(
            [
                (forms.unescape(name), sign * float(score) + 0.0, forms.from_metadata(metadata))
                for name, score, metadata in rows
            ]
        )

    def _found_apart(
        self, namespace: str, space: Space, asked: dict[str, Any]
    ) -> builtins.list[tuple[str, float, Metadata]]:
        answer = self._data(namespace, "query", include_metadata=False, **asked)
        names = [one.id for one in answer.matches]
        metadata: dict[str, Metadata] = {}
        for part in forms.fetches(names, space.dimension):
            metadata.update(
                (forms.escape(r.id), r.metadata) for r in self._fetched(namespace, part)
            )
        return [
            (one.id, one.score, metadata[one.id]) for one in answer.matches if one.id in metadata
        ]

    def _list(self, namespace: str, prefix: str, token: str | None, limit: int) -> IdPage:
        given: dict[str, Any] = {"limit": min(limit, _PAGE)}
        if prefix:
            given["prefix"] = forms.escape(prefix)
        if token is not None:
            given["pagination_token"] = token
        page = self._data(namespace, "list_paginated", **given)
        listed = getattr(page, "vectors", None) or []
        return IdPage(tuple(forms.unescape(one.id) for one in listed), next_token(page))

    def _count(self, namespace: str) -> tuple[int, int | None]:
        return int(self._data(namespace, "describe_namespace").record_count or 0), None


def _reopened(settings: Mapping[str, Any]) -> PineconeVectors:
    return PineconeVectors(**settings)


def _is_writable(value: Any) -> bool:
    """Whether a value is JSON; what is not is refused in the words of all stores."""
    return value is None or isinstance(value, (str, bool, int, list, tuple, dict))
