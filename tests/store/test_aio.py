"""The async database keeps the contract, and leaves the event loop free."""

import asyncio
import contextlib
import inspect
import threading
import time

import pytest

from qstore_tf.store.aio import AsyncQuantumDatabase
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.testing.database_contract import DatabaseContract


class Awaited:
    """An async database, each verb of which is awaited at once on a loop in another thread."""

    def __init__(self, loop, **settings):
        self._loop, self._database = loop, AsyncQuantumDatabase(**settings)

    def _wait(self, awaitable):
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(60)

    def __getattr__(self, name):
        verb = getattr(self._database, name)
        return lambda *args, **kwargs: self._wait(verb(*args, **kwargs))

    @contextlib.contextmanager
    def transaction(self):
        transaction = self._database.transaction()
        batch = self._wait(transaction.__aenter__())
        try:
            yield batch
        except BaseException as error:
            self._wait(transaction.__aexit__(type(error), error, None))
            raise
        self._wait(transaction.__aexit__(None, None, None))


class TestAsync(DatabaseContract):
    @pytest.fixture
    def open_database(self):
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        opened = []

        def open(**settings):
            opened.append(Awaited(loop, **settings))
            return opened[-1]

        yield open
        for database in opened:
            database.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_every_verb_can_be_awaited():
    verbs = {
        name
        for name, verb in inspect.getmembers(QuantumDatabase, inspect.isfunction)
        if not name.startswith("_")
    }
    missing = {name for name in verbs if not hasattr(AsyncQuantumDatabase, name)}
    assert not missing
    for name in verbs - {"transaction"}:
        assert inspect.iscoroutinefunction(getattr(AsyncQuantumDatabase, name)), name


def test_the_loop_goes_on_while_a_verb_runs():
    async def main():
        async with AsyncQuantumDatabase() as database:
            slow = database.run(lambda: time.sleep(0.3))
            ticks = 0
            waiting = asyncio.ensure_future(slow)
            while not waiting.done():
                await asyncio.sleep(0.01)
                ticks += 1
            return ticks

    assert asyncio.run(main()) > 5


def test_verbs_awaited_together_are_all_done(tmp_path):
    async def main():
        async with AsyncQuantumDatabase(tmp_path / "db.qstore") as database:
            await database.insert("first", [1.0, 0.0])
            await asyncio.gather(*(database.insert(f"i{n}", [1.0, n]) for n in range(50)))
            return await database.count(), database.database._catalog.commit_number()

    count, commits = asyncio.run(main())
    assert count == 51
    assert commits < 51  # they share some
