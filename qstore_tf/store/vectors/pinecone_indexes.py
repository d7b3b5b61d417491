"""The indexes of a store in Pinecone: which there are, and in which of them a namespace is."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from qstore_tf.errors import (
    ConfigurationError,
    NotFoundError,
    RefusedError,
    UnreachableError,
    describe,
)
from qstore_tf.ionq.service.clock import Clock
from qstore_tf.store.vectors import pinecone_forms as forms
from qstore_tf.store.vectors.base import Space
from qstore_tf.store.vectors.pinecone_calls import Calls

LONGEST_INDEX = 45  # characters of an index's name
_METRICS = {"cosine": "cosine", "dot": "dotproduct", "l2": "euclidean"}
_OURS = {theirs: ours for ours, theirs in _METRICS.items()}
_PAGE = 100  # namespaces


@dataclass(frozen=True)
class Index:
    """One of the store's indexes."""

    name: str
    space: Space
    host: str
    is_ready: bool


class Indexes:
    """The indexes whose names begin with the store's, made as they are needed.

    Args:
        client: A `pinecone.Pinecone`.
        call: How it is called.
        each: Further arguments of every call.
        base: What the indexes' names begin with.
        spec: Where new ones are made.
        clock: The clock.
        patience_s: How long a new one may take, in s.
    """

    def __init__(
        self,
        client: Any,
        call: Calls,
        each: Mapping[str, Any],
        *,
        base: str,
        spec: Any,
        clock: Clock,
        patience_s: float,
    ) -> None:
        self._client, self._call, self._each = client, call, each
        self._base, self._spec = base, spec
        self._clock, self._patience_s = clock, patience_s
        self._lock = threading.Lock()
        self._handles: dict[str, Any] = {}  # clients of indexes, by address
        self._places: dict[str, Any] = {}  # the same, by namespace

    def close(self, *, with_client: bool) -> None:
        """Closes the connections, also the client's if wanted."""
        with self._lock:
            closing = [*self._handles.values(), *([self._client] if with_client else [])]
            self._handles.clear()
            self._places.clear()
        for one in closing:
            if hasattr(one, "close"):
                one.close()

    def list(self) -> builtins.list[Index]:
        """The store's indexes; first the one that is called as the store."""
        found = []
        for one in self._call(self._client.list_indexes):
            read = self._read(one)
            if read is not None:
                found.append(read)
        return sorted(found, key=lambda index: (index.name != self._base, index.name))

    def _read(self, one: Any) -> Index | None:
        metric = _OURS.get(str(getattr(one, "metric", None)))
        dimension = getattr(one, "dimension", None)
        if metric is None or not isinstance(dimension, int):  # sparse ones, say
            return None
        space = Space(dimension, metric)
        if one.name not in (self._base, self._index_name(space)):
            return None
        return Index(one.name, space, str(one.host), bool(one.status.ready))

    def _index_name(self, space: Space) -> str:
        return f"{self._base}-{space.metric}-{space.dimension}"

    def _open(self, index: Index) -> Any:
        with self._lock:
            if index.host not in self._handles:
                self._handles[index.host] = self._client.Index(host=index.host)
            return self._handles[index.host]

    def _for_space(self, space: Space) -> Index:
        """The index of a dimension and metric, made where there is none, and ready."""
        end = self._clock.monotonic() + self._patience_s
        pause, is_made = 0.0, False
        while True:
            index = next((one for one in self.list() if one.space == space), None)
            if index is not None and index.is_ready:
                return index
            if index is None and not is_made:
                self._make_index(space)
                is_made = True
            self.wait(pause, end, f"The index {self._index_name(space)!r} of Pinecone is not ready")
            pause = min(2 * pause + 0.05, 5.0)

    def _make_index(self, space: Space) -> None:
        try:
            self._call(
                partial(_unless_there, self._client.create_index),
                name=self._index_name(space),
                dimension=space.dimension,
                metric=_METRICS[space.metric],
                spec=self._spec,
                timeout=-1,
            )
        except RefusedError as error:  # a quota, say
            raise ConfigurationError(str(error)) from None

    def wait(self, seconds: float, end: float, what: str) -> None:
        """Waits, until `end` at most.

        Raises:
            UnreachableError: It would take longer; the message begins with `what`.
        """
        if self._clock.monotonic() + seconds > end:
            raise UnreachableError(
                describe(what, expected=f"within {self._patience_s:g} s", hint="Try again later.")
            )
        self._call.wait(seconds)

    def find(self, namespace: str) -> Space | None:
        """What a namespace is; None where there is none."""
        for index in self.list():
            handle = self._open(index)
            try:
                self.ask(handle.describe_namespace, namespace=forms.namespace_name(namespace))
            except NotFoundError:
                continue
            with self._lock:
                self._places[namespace] = handle
            return index.space
        return None

    def create(self, namespace: str, space: Space) -> None:
        """Makes a namespace, in an index of its kind."""
        handle = self._open(self._for_space(space))
        make = partial(_unless_there, handle.create_namespace)
        self.ask(make, name=forms.namespace_name(namespace))

    def drop(self, namespace: str) -> None:
        """Deletes a namespace, wherever it is."""
        for index in self.list():
            handle = self._open(index)
            try:
                self.ask(handle.delete_namespace, namespace=forms.namespace_name(namespace))
            except NotFoundError:
                continue

    def forget(self, namespace: str) -> None:
        """Forgets where a namespace is; the next call looks for it."""
        with self._lock:
            self._places.pop(namespace, None)

    def namespaces(self) -> builtins.list[str]:
        """The names of all namespaces, sorted."""
        names: set[str] = set()
        for index in self.list():
            handle = self._open(index)
            token: str | None = None
            while True:
                more: dict[str, Any] = {} if token is None else {"pagination_token": token}
                page = self.ask(handle.list_namespaces_paginated, limit=_PAGE, **more)
                listed = getattr(page, "namespaces", None) or []
                names.update(forms.unescape(one.name) for one in listed if forms.is_own(one.name))
                token = next_token(page)
                if token is None:
                    break
        return sorted(names)

    def of(self, namespace: str) -> Any:
        """The client of the index that a namespace is in; None where there is no such namespace."""
        with self._lock:
            handle = self._places.get(namespace)
        if handle is None:
            self.find(namespace)
            with self._lock:
                handle = self._places.get(namespace)
        return handle

    def ask(self, function: Any, **arguments: Any) -> Any:
        """Calls a method of an index's client."""
        return self._call(function, **arguments, **self._each)


def _unless_there(function: Any, **arguments: Any) -> Any:
    """Makes something, which somebody else may have made."""
    try:
        return function(**arguments)
    except Exception as error:
        if 409 not in (getattr(error, "status_code", None), getattr(error, "status", None)):
            raise
        return None


def next_token(page: Any) -> str | None:
    """Where the page after this one begins; None after the last."""
    following = getattr(getattr(page, "pagination", None), "next", None)
    return str(following) if following else None
