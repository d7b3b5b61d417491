"""`QuantumDatabaseClient`: the verbs of a database, carried out by a service."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np

from qstore_tf import errors
from qstore_tf.credentials import Secret, checked_key, split_address
from qstore_tf.errors import (
    AuthenticationError,
    ConfigurationError,
    ItemError,
    RefusedError,
    ResultsError,
    ServiceError,
    UnreachableError,
    describe,
)
from qstore_tf.ionq.service.clock import Clock, Over, Patience
from qstore_tf.ionq.service.retrying import CircuitBreaker, Retries, retry_after
from qstore_tf.store.arguments.names import check_id
from qstore_tf.store.arguments.vectors import as_array
from qstore_tf.store.queries.query import Query
from qstore_tf.store.service import wire
from qstore_tf.store.transaction import Transaction
from qstore_tf.store.verbs.read_verbs import ReadVerbs
from qstore_tf.store.verbs.verbs import Call, WriteVerbs

KEY, ADDRESS = "QSTORE_DB_API_KEY", "QSTORE_DB_URL"
_ARRAYS = ("vector", "vectors", "basis")
# Verbs that may be sent again when an answer is lost: twice is as once. The others are sent again
# only where the service says that it did nothing.
_TWICE_AS_ONCE = ("patch", "define_context")

# Verbs that ask queries, with their arguments that are none of `Query`.
_QUESTIONS = {"query_many": ("vectors",), "tunnel_search": ("vector", "search_space", "method")}


class QuantumDatabaseClient(WriteVerbs, ReadVerbs):
    """A database behind a service, with the verbs, errors and results of `QuantumDatabase`.

    Threads share one client, and with it its connections. Reads, upserts and updates are sent again
    when the network fails, with growing pauses; other verbs only where the service says that it did
    nothing, else `UnreachableError` says that it may have.

    Args:
        url: The service's address; None for the variable QSTORE_DB_URL.
        api_key: The key; None for the variable QSTORE_DB_API_KEY. Nothing shows it.
        domain: The namespace of verbs that name none.
        timeout_s: How long a call may take in all, in seconds.
        retries: The pauses between tries.

    Raises:
        ConfigurationError: The address or the key cannot be used.

    Example:
        >>> import qstore_tf as qs
        >>> from qstore_tf.store.service.running import DatabaseServer
        >>> with qs.store.QuantumDatabase() as db, DatabaseServer(db) as server:
        ...     with QuantumDatabaseClient(server.url) as client:
        ...         _ = client.insert("a", [1.0, 0.0])
        ...         client.query([1.0, 0.0]).ids
        ['a']
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        domain: str = "default",
        timeout_s: float = 60.0,
        retries: Retries | None = None,
        clock: Clock | None = None,
    ) -> None:
        given = url or os.environ.get(ADDRESS)
        if not given:
            raise ConfigurationError(
                describe(
                    "A client needs the address of a service",
                    expected=f"url=, or the variable {ADDRESS}",
                    hint="`qstore db serve` starts one.",
                )
            )
        base, parts = split_address(given, "such as 'http://localhost:8080'")
        self.url = base + parts.path.rstrip("/")
        self.domain = check_id(domain, "the name of a namespace")
        self._key = Secret(checked_key(api_key or os.environ.get(KEY)))
        self._timeout_s, self._clock = timeout_s, clock or Clock()
        self._retries = retries or Retries(0.2, 10.0)
        self._breaker = CircuitBreaker(self._clock, first_s=0.5, most_s=10.0)
        self._http = httpx.Client(timeout=timeout_s, trust_env=False)
        self._stop = threading.Event()

    def __enter__(self) -> QuantumDatabaseClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"QuantumDatabaseClient({self.url!r})"

    def close(self) -> None:
        """Closes the connections; calls that wait end."""
        self._stop.set()
        self._http.close()

    def transaction(self) -> Transaction:
        """Starts a transaction: `with client.transaction() as batch: batch.insert(...)`."""
        return Transaction(self)

    def run(self, calls: Sequence[Call]) -> Sequence[Any]:
        """Carries out verbs that write, in one commit; see `QuantumDatabase.run`."""
        bodies = [{"verb": call.verb, "body": self._body(call)} for call in calls]
        again = all(_is_repeatable(call) for call in calls)
        answers = self._post("transaction", {"calls": bodies}, again)
        return [wire.decode(call.verb, answer) for call, answer in zip(calls, answers, strict=True)]

    def _do(self, verb: str, namespace: str | None, **arguments: Any) -> Any:
        call = Call(verb, namespace, arguments)
        return wire.decode(verb, self._post(verb, self._body(call), _is_repeatable(call)))

    def _ask(self, verb: str, namespace: str | None, **arguments: Any) -> Any:
        if verb in _QUESTIONS:  # a mistake is told at once, in the words of the database
            asked = {name: arguments[name] for name in arguments if name not in _QUESTIONS[verb]}
            Query.of(asked)
        body = self._body(Call(verb, namespace, arguments))
        return wire.decode(verb, self._post(verb, body, again=True))

    def _body(self, call: Call) -> dict[str, Any]:
        body = dict(call.arguments)
        for name in _ARRAYS:
            if body.get(name) is not None:
                body[name] = wire.pack(as_array(body[name]))
        if call.verb == "put" and body["contexts"] is not None:
            body["contexts"] = [wire.pack_contexts(row) for row in body["contexts"]]
        if call.verb == "put" and body["metadata"] is not None:
            body["metadata"] = [_row_of_metadata(row) for row in body["metadata"]]
        if call.verb == "patch":
            body["contexts"] = wire.pack_contexts(body["contexts"])
        body["namespace"] = call.namespace if call.namespace is not None else self.domain
        return {**body, "packed": True}

    def _post(self, verb: str, body: Any, again: bool) -> Any:
        """Sends a request until it is answered; returns the JSON of the answer."""
        content = json.dumps(body, default=_as_json).encode("utf-8", "surrogatepass")
        patience = Patience(self._clock, self._timeout_s, self._stop)
        tries, problem = 0, "the breaker is open after earlier failures"
        while True:
            pause: float | None = self._breaker.admit()
            if not pause:
                tries += 1
                answer, problem, was_sent = self._try(verb, content, patience)
                if answer is not None and answer.status_code not in (429, 502, 503, 504):
                    self._breaker.succeeded()
                    return self._read(answer)
                self._breaker.failed()
                done_nothing = answer is not None and answer.status_code in (429, 503)
                if was_sent and not again and not done_nothing:
                    raise UnreachableError(
                        describe(
                            f"Whether the service did {verb!r} is not known: {problem}",
                            hint="Look whether it did before you do it again.",
                        )
                    )
                asked = answer.headers.get("retry-after") if answer is not None else None
                pause = self._retries.pause(tries, retry_after(asked, self._clock.time()))
            try:
                patience.wait(pause)
            except Over:
                raise UnreachableError(
                    describe(
                        f"The service at {self.url} did not do {verb!r} within "
                        f"{self._timeout_s:g} s, {tries} tries: {problem}",
                        hint="Is it running? `qstore db serve` starts one.",
                    )
                ) from None

    def _try(
        self, verb: str, content: bytes, patience: Patience
    ) -> tuple[httpx.Response | None, str, bool]:
        """One try: the answer, else what was wrong, and whether the service may have done it."""
        headers = {"Content-Type": "application/json"}
        if self._key.text:
            headers["Api-Key"] = self._key.text
        try:
            answer = self._http.post(
                f"{self.url}/v1/{verb}",
                content=content,
                headers=headers,
                timeout=max(0.001, min(self._timeout_s, patience.left)),
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return None, f"no connection ({type(error).__name__})", False
        except httpx.HTTPError as error:
            return None, f"no answer ({type(error).__name__})", True
        return answer, f"it answered {answer.status_code}", True

    def _read(self, answer: httpx.Response) -> Any:
        try:
            value = answer.json()
            if answer.is_success:
                return value
            told = value["error"]
            kind, message = str(told["type"]), str(told["message"])
        except (ValueError, KeyError, TypeError):
            raise ResultsError(
                describe(
                    f"The service at {self.url} answered {answer.status_code} without JSON of ours",
                    hint="Is it the address of a quantum database?",
                )
            ) from None
        if kind in wire.ERRORS:
            raise wire.ERRORS[kind](message)
        refused: type[ServiceError] = (
            AuthenticationError
            if answer.status_code in (401, 403)
            else errors.ServiceError
            if answer.status_code >= 500
            else RefusedError
        )
        error = refused(message)
        error.status, error.text = answer.status_code, message
        raise error


def _is_repeatable(call: Call) -> bool:
    return call.verb in _TWICE_AS_ONCE or (call.verb == "put" and bool(call.arguments["replace"]))


def _as_json(value: Any) -> Any:
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    if isinstance(value, (set, frozenset)):
        return list(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ItemError(
        describe(
            "A value cannot be sent to the service",
            expected="strings, numbers, bools, lists and arrays of them",
            received=type(value).__name__,
        )
    )


def _row_of_metadata(row: Any) -> Any:
    """Metadata of one row of many: a value that cannot be sent is null, which is refused there."""
    if not isinstance(row, Mapping):
        return row
    known = (str, bool, int, float, list, tuple, np.generic)
    return {k: v if isinstance(v, known) else None for k, v in row.items()}
