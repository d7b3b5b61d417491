"""A transaction: verbs that are kept until its end, and then done in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from qstore_tf.errors import StoreError, describe
from qstore_tf.store.verbs.verbs import Call, WriteVerbs


class Runs(Protocol):
    """What carries out the verbs of a transaction."""

    def run(self, calls: Sequence[Call]) -> Sequence[Any]:
        """Carries them out in one commit, or none of them."""


class Transaction(WriteVerbs):
    """Verbs of one commit: all of them are done, or none.

    Made by `QuantumDatabase.transaction`. The verbs return None; what they would have returned is
    in `results` afterwards. A row that cannot be stored is an error of the commit, also where it is
    one of many. Members of correlated groups that are written in one transaction move
    their partners together, in whatever order they stand.

    Attributes:
        results: What each verb returned, after the commit.

    Example:
        >>> import qstore_tf as qs
        >>> db = qs.store.QuantumDatabase()
        >>> with db.transaction() as batch:
        ...     batch.insert("a", [1.0, 0.0])
        ...     batch.insert("b", [0.0, 1.0])
        >>> db.count()
        2
    """

    def __init__(self, database: Runs) -> None:
        self.results: list[Any] = []
        self._database = database
        self._calls: list[Call] | None = []

    def _do(self, verb: str, namespace: str | None, **arguments: Any) -> None:
        calls = self._open()
        if verb == "put":
            arguments["alone"] = True  # a row that is left out would go unseen
        # Whoever fills the same array or dict again for the next item must not change this one.
        calls.append(Call(verb, namespace, {k: _own(v) for k, v in arguments.items()}))

    def _open(self) -> list[Call]:
        if self._calls is None:
            raise StoreError(
                describe("The transaction has ended", hint="Start another: db.transaction().")
            )
        return self._calls

    def commit(self) -> None:
        """Does what was kept, in one commit.

        Raises:
            QstoreError: The first verb that could not be done; then none was, and the transaction
                can be committed again.
        """
        calls = self._open()
        if calls:
            self.results = list(self._database.run(calls))
        self._calls = None

    def discard(self) -> None:
        """Forgets what was kept."""
        self._calls = None

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            if self._calls is not None:
                self.commit()
        else:
            self.discard()


def _own(value: Any) -> Any:
    """A copy of what a caller may change later: arrays, and what holds them."""
    if isinstance(value, Mapping):
        return {key: _own(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, Iterator)):
        return [_own(each) for each in value]
    return np.array(value) if hasattr(value, "__array__") and np.ndim(value) else value
