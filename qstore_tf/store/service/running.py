"""Runs the service: as a program, or in a thread of this process for tests and notebooks."""

from __future__ import annotations

import signal
import socket
import threading
import time
from types import TracebackType
from typing import Any

import uvicorn

from qstore_tf.errors import ConfigurationError, StartTimeoutError, describe
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.service.app import create_app
from qstore_tf.store.service.keys import Keys

_PATIENCE_S = 30.0


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any that is free.

    Raises:
        ConfigurationError: The address is taken, or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on, and each answer waits for 40 ms.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen()  # its address is told before the server runs
    except (OSError, OverflowError) as error:
        found.close()
        raise ConfigurationError(
            describe(
                f"The service cannot listen on {host}, port {port}",
                expected="an address of this machine, and a port that is free",
                received=str(error),
                hint="Choose another port; 0 takes any.",
            )
        ) from None
    return found


def serve(
    database: QuantumDatabase, sock: socket.socket, keys: Keys | None, **options: Any
) -> None:
    """Answers requests until the process is told to stop."""
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(database, keys, **options),
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=10,
            limit_concurrency=256,
        )
    )
    # The server stops at these signals and raises them again when it has, which is then nothing.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    server.run(sockets=[sock])


class DatabaseServer:
    """A service on a port of this machine, while a `with` block runs.

    Args:
        database: Whose verbs it answers; the caller closes it.
        keys: Who may use it; None: everybody.
        port: 0 for any that is free.
        options: Further arguments of `create_app`.

    Attributes:
        url: Its address.

    Example:
        >>> import httpx
        >>> import qstore_tf as qs
        >>> with qs.store.QuantumDatabase() as db, DatabaseServer(db) as server:
        ...     httpx.get(server.url + "/healthz").json()["status"]
        'ok'
    """

    def __init__(
        self, database: QuantumDatabase, keys: Keys | None = None, port: int = 0, **options: Any
    ) -> None:
        self._app = create_app(database, keys, **options)
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Its address, without a slash at its end."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> DatabaseServer:
        sock = listen("127.0.0.1", self._port)
        self._port = sock.getsockname()[1]
        config = uvicorn.Config(self._app, log_level="critical", lifespan="off")
        server = self._server = uvicorn.Server(config)
        # The process's own signals are not its business.
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=server.run, kwargs={"sockets": [sock]}, name="qstore-db", daemon=True
        )
        self._thread.start()
        end = time.monotonic() + _PATIENCE_S
        while not server.started:
            if time.monotonic() > end or not self._thread.is_alive():
                raise StartTimeoutError(describe("The service did not start"))
            time.sleep(0.005)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None and self._thread is not None
        self._server.should_exit = True
        self._thread.join(_PATIENCE_S)
