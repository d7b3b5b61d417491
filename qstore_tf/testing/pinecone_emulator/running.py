"""The emulator in a thread of this process."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import uvicorn

from qstore_tf.errors import StartTimeoutError, describe
from qstore_tf.testing.pinecone_emulator.app import State, create_app
from qstore_tf.testing.pinecone_emulator.faults import Fault, Faults
from qstore_tf.testing.pinecone_emulator.interfering import Interfering, Received
from qstore_tf.testing.pinecone_emulator.settings import Settings

_PATIENCE_S = 30.0


class PineconeEmulator:
    """Pinecone's wire on a port of this machine, while a `with` block runs.

    Args:
        port: The port; 0 for any that is free.
        **settings: As in `Settings`.

    Attributes:
        requests: What came, the oldest first.

    Example:
        >>> import httpx
        >>> with PineconeEmulator() as emulator:
        ...     httpx.get(f"{emulator.url}/indexes", headers={"Api-Key": "any"}).json()
        {'indexes': []}
    """

    def __init__(self, port: int = 0, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.requests: list[Received] = []
        self._port, self._faults = port, Faults(self.settings.seed)
        self._state = State(self.settings)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Its address, as clients take it as `host`."""
        return f"http://127.0.0.1:{self._port}"

    def set_faults(self, *faults: Fault) -> None:
        """Lets these faults happen, and no others."""
        self._faults.put(faults)

    def catch_up(self) -> None:
        """Lets reads see all that was written."""
        for index in list(self._state.indexes.values()):
            for namespace in list(index.namespaces.values()):
                namespace.catch_up()

    def restart(self, seconds: float = 0.0) -> None:
        """Closes all connections, stays away, and comes back on the same port with its data.

        Args:
            seconds: How long it is away.
        """
        with self._lock:
            self._stop()
            time.sleep(seconds)
            self._start()

    def __enter__(self) -> PineconeEmulator:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._stop()

    def _start(self) -> None:
        # With the protocol named, asyncio sends small answers at once (TCP_NODELAY).
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", self._port))
        self._port = self._socket.getsockname()[1]
        self._state.url = self.url
        app = Interfering(create_app(self._state), self._faults, self.requests, self.restart)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                log_level="critical",
                proxy_headers=False,
                server_header=False,
                ws="none",
                lifespan="off",
                timeout_keep_alive=75,
            )
        )
        sockets = [self._socket]
        self._thread = threading.Thread(
            target=self._server.run, args=(sockets,), name="pinecone-emulator", daemon=True
        )
        self._thread.start()
        until = time.monotonic() + _PATIENCE_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                self._stop()
                raise StartTimeoutError(describe("The emulator of Pinecone did not start"))
            time.sleep(0.002)

    def _stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(_PATIENCE_S)
        self._socket.close()
