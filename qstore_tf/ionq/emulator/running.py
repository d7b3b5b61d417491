"""The local IonQ in a thread of this process, for tests and notebooks."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import uvicorn

from qstore_tf.errors import ConfigurationError, StartTimeoutError, describe
from qstore_tf.ionq.emulator.app import create_app
from qstore_tf.ionq.emulator.faults import Fault
from qstore_tf.ionq.emulator.records import Job
from qstore_tf.ionq.emulator.requests import Received
from qstore_tf.ionq.emulator.service import Service
from qstore_tf.ionq.emulator.settings import Settings
from qstore_tf.ionq.emulator.store import Store

_PATIENCE_S = 30.0


class Emulator:
    """A local IonQ on a port of this machine, while a `with` block runs.

    Args:
        port: The port; 0 for any that is free.
        **settings: As in `Settings`.

    Raises:
        ConfigurationError: A setting makes no sense, or the port is taken.

    Example:
        >>> import httpx
        >>> with Emulator() as emulator:
        ...     answer = httpx.get(f"{emulator.url}/backends")
        >>> answer.json()[0]["backend"]
        'qpu.aria-1'
    """

    def __init__(self, port: int = 0, **settings: Any) -> None:
        if type(port) is not int or not 0 <= port < 65536:
            raise ConfigurationError(
                describe("This is no port", expected="0 to 65535", received=port)
            )
        self._port = port
        self.settings = Settings.of(**settings)
        self._store: Store | None = None
        self._server: _Server | None = None

    def __enter__(self) -> Emulator:
        self._store = self._open()
        try:
            self._start()
        except BaseException:
            self._store.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.stop()
        if self._store is not None:
            self._store.close()
        self._server = self._store = None

    def _open(self) -> Store:
        return Store(self.settings.db, self.settings.most_bytes)

    def _start(self) -> None:
        self._server = _Server(self.settings, self._running_store, self._port)
        self._port = self._server.port

    def restart(self, seconds: float = 0.0) -> None:
        """Closes all connections, stays away, and comes back on the same port.

        Only what is stored survives: faults and noted requests are gone.

        Args:
            seconds: How long it is away.
        """
        if self._server is not None:
            self._server.stop()
        if self._store is not None and self.settings.db is not None:
            self._store.close()
            self._store = self._open()
        time.sleep(seconds)
        self._start()

    @property
    def host(self) -> str:
        """Its address without the version, as cirq-ionq takes it in IONQ_REMOTE_HOST."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """Its address with the version, as qiskit-ionq takes it in IONQ_API_URL."""
        return f"{self.host}/v0.4"

    @property
    def service(self) -> Service:
        """What stands behind the routes."""
        if self._server is None:
            raise ConfigurationError(
                describe("The local IonQ is not running", hint="Use it in a `with` block")
            )
        return self._server.service

    @property
    def _running_store(self) -> Store:
        assert self._store is not None
        return self._store

    def set_faults(self, *faults: Fault | dict[str, Any], seed: int | None = None) -> None:
        """Lets these faults happen, and no others.

        Args:
            *faults: As in `faults`.
            seed: For those that happen at random; None to go on as before.
        """
        self.service.faults.put(faults, seed=seed)

    def requests(self, call: str | None = None) -> Sequence[Received]:
        """The last requests, the oldest first, or only those of one kind of call."""
        return [one for one in self.service.requests.all() if call in (None, one.call)]

    def jobs(self) -> list[Job]:
        """All jobs of all organizations, the oldest first."""
        return self.service.store.all_jobs()


class _Uvicorn(uvicorn.Server):
    """Uvicorn that stops at once, whatever connections are open."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._told, self._loop = asyncio.Event(), asyncio.get_running_loop()
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._told.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for task in self.server_state.tasks:
            task.cancel()
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        # Lets what was canceled come to its end.
        await asyncio.sleep(0)

    def stop(self) -> None:
        """Tells the server, from another thread, to stop."""
        self.should_exit = True
        if self._loop is not None and self._told is not None:
            self._loop.call_soon_threadsafe(self._told.set)


class _Server:
    """A server in a thread."""

    def __init__(self, settings: Settings, store: Store, port: int) -> None:
        # With the protocol named, asyncio sends small answers at once (TCP_NODELAY).
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
        except OSError as error:
            self._socket.close()
            raise ConfigurationError(
                describe(f"The port cannot be used: {error}", received=port, hint="Use port=0")
            ) from None
        self.port: int = self._socket.getsockname()[1]
        app = create_app(settings, store)
        self.service: Service = app.service
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                # Errors of requests are logged by the application.
                log_level="critical",
                proxy_headers=False,
                server_header=False,
                ws="none",
                lifespan="off",
                # Longer than clients think between two requests.
                timeout_keep_alive=75,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="ionq-emulator", daemon=True)
        self._thread.start()
        until = time.monotonic() + _PATIENCE_S
        while not self._uvicorn.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                self.stop()
                raise StartTimeoutError(describe("The local IonQ did not start"))
            time.sleep(0.002)

    def _serve(self) -> None:
        with contextlib.suppress(SystemExit):
            self._uvicorn.run(sockets=[self._socket])

    def stop(self) -> None:
        self._uvicorn.stop()
        self._thread.join(_PATIENCE_S)
        self._socket.close()
        self.service.close()
