"""`AsyncQuantumDatabase`: the same verbs, to be awaited."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

from qstore_tf.errors import StoreError, describe
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.transaction import Transaction

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

THREADS = 16  # writes that wait side by side share commits


def _awaited(
    verb: Callable[Concatenate[QuantumDatabase, _Arguments], _Result],
) -> Callable[Concatenate[AsyncQuantumDatabase, _Arguments], Awaitable[_Result]]:
    """The verb, run in a thread, so that the event loop goes on meanwhile."""

    @functools.wraps(verb)
    async def run(
        self: AsyncQuantumDatabase, *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> _Result:
        return await self.run(functools.partial(verb, self.database, *args, **kwargs))

    return run


class AsyncQuantumDatabase:
    """A `QuantumDatabase` for event loops: each verb is awaited and has the same arguments.

    Verbs that are awaited together run side by side, and what they write shares commits. A verb
    that was begun is finished, even if who awaits it is cancelled.

    Args:
        path: As of `QuantumDatabase`, as are the settings.
        settings: They.

    Attributes:
        database: The database beneath.

    Example:
        >>> import asyncio
        >>> from qstore_tf.store.aio import AsyncQuantumDatabase
        >>> async def main():
        ...     async with AsyncQuantumDatabase() as db:
        ...         await asyncio.gather(db.insert("a", [1.0, 0.0]), db.insert("b", [0.0, 1.0]))
        ...         async with db.transaction() as batch:
        ...             batch.update("a", [1.0, 0.1])
        ...         return (await db.query([1.0, 0.0])).ids
        >>> asyncio.run(main())
        ['a', 'b']
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, **settings: Any) -> None:
        self.database = QuantumDatabase(path, **settings)
        self._is_closed = False
        self._threads = ThreadPoolExecutor(THREADS, "qstore-database")

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Runs a function in one of the threads.

        Raises:
            StoreError: The database is closed.
        """
        if self._is_closed:
            raise StoreError(describe("The database is closed"))
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def __aenter__(self) -> AsyncQuantumDatabase:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the database, once what was begun is finished."""
        self._is_closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        self.database.close()

    def transaction(self) -> AsyncTransaction:
        """Starts a transaction: `async with db.transaction() as batch: batch.insert(...)`."""
        return AsyncTransaction(self)

    insert = _awaited(QuantumDatabase.insert)
    insert_many = _awaited(QuantumDatabase.insert_many)
    upsert = _awaited(QuantumDatabase.upsert)
    upsert_many = _awaited(QuantumDatabase.upsert_many)
    update = _awaited(QuantumDatabase.update)
    delete = _awaited(QuantumDatabase.delete)
    restore = _awaited(QuantumDatabase.restore)
    feedback = _awaited(QuantumDatabase.feedback)
    define_context = _awaited(QuantumDatabase.define_context)
    create_entangled_group = _awaited(QuantumDatabase.create_entangled_group)
    delete_entangled_group = _awaited(QuantumDatabase.delete_entangled_group)
    create_namespace = _awaited(QuantumDatabase.create_namespace)
    delete_namespace = _awaited(QuantumDatabase.delete_namespace)
    namespaces = _awaited(QuantumDatabase.namespaces)
    get = _awaited(QuantumDatabase.get)
    get_many = _awaited(QuantumDatabase.get_many)
    count = _awaited(QuantumDatabase.count)
    list = _awaited(QuantumDatabase.list)
    query = _awaited(QuantumDatabase.query)
    query_many = _awaited(QuantumDatabase.query_many)
    tunnel_search = _awaited(QuantumDatabase.tunnel_search)
    entangled_groups = _awaited(QuantumDatabase.entangled_groups)
    measure_correlation = _awaited(QuantumDatabase.measure_correlation)
    propose_groups = _awaited(QuantumDatabase.propose_groups)
    stale = _awaited(QuantumDatabase.stale)
    apply_decoherence = _awaited(QuantumDatabase.apply_decoherence)
    estimate = _awaited(QuantumDatabase.estimate)
    store_status = _awaited(QuantumDatabase.store_status)
    cache_stats = _awaited(QuantumDatabase.cache_stats)
    commit_number = _awaited(QuantumDatabase.commit_number)
    backup = _awaited(QuantumDatabase.backup)
    vacuum = _awaited(QuantumDatabase.vacuum)
    unload = _awaited(QuantumDatabase.unload)


class AsyncTransaction:
    """A transaction whose commit is awaited; its verbs, which are only kept, are not.

    Args:
        database: Whose it is.
    """

    def __init__(self, database: AsyncQuantumDatabase) -> None:
        self._database = database
        self._batch = Transaction(database.database)

    async def __aenter__(self) -> Transaction:
        return self._batch

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self._database.run(self._batch.commit)
        else:
            self._batch.discard()
