"""The chief's side: a small server in a thread, around a budget in a file on the chief's disk."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import socket
import socketserver
import sys
import threading
import time
import weakref
from types import TracebackType
from typing import Any

from qstore_tf.credentials import Secret
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.shared import messages
from qstore_tf.ionq.money.shared.keeper import Keeper

_log = logging.getLogger("qstore_tf")

_QUESTION_S = 10.0  # for a question, once somebody is there
_PORT_S = 5.0  # for a port that the last process has not given back yet
_MOST_CONNECTIONS = 256


class AccountServer:
    """Keeps an account for workers on other machines, until it is closed or its process ends.

    What it has granted is in the budget's file: after a crash, a server with the same file goes on
    where the other ended.

    Args:
        budget: The account, in a file.
        address: `host:port` at which the workers find it; port 0 is any that is free.
        token: The secret that the workers have too. None: IONQ_BUDGET_TOKEN.

    Raises:
        ConfigurationError: The address or the token cannot be used, or the budget has no file.

    Example:
        >>> import tempfile
        >>> from qstore_tf.ionq.money.shared import SharedBudget
        >>> budget = Budget(usd=10, path=tempfile.mkdtemp() + "/budget.sqlite")
        >>> with AccountServer(budget, "localhost:0", token="0123456789abcdef") as server:
        ...     worker = SharedBudget(server.address, token="0123456789abcdef")
        ...     worker.reserve("a job of the worker", 4)
        >>> print(budget)
        0 spent, 4 reserved, 6 left of 10 USD
    """

    def __init__(self, budget: Budget, address: str, token: str | None = None) -> None:
        host, port = messages.split_host(address, least=0)
        if budget.path is None:
            raise ConfigurationError(
                describe(
                    "An account that workers share lies in a file",
                    expected="a budget with path=, on a disk of this machine",
                    received=budget,
                    hint="Without one, whoever is started again could spend the whole once more",
                )
            )
        self.budget = budget
        self._server = _listening(host, port, Keeper(budget), messages.checked_token(token))
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{shown}:{self._server.server_address[1]}"
        _open.add(self)
        name = f"account-{self.address}"
        self._thread = threading.Thread(target=self._server.serve_forever, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answers no more questions."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> AccountServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"AccountServer({self.budget!r}, {self.address!r})"


_open: weakref.WeakSet[AccountServer] = weakref.WeakSet()


def _forget() -> None:
    """In a forked process, which must not hold the port when the chief has died."""
    for server in _open:
        server._server.socket.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, family: int, address: Any, keeper: Keeper, token: Secret) -> None:
        self.address_family = family
        self.keeper, self.token = keeper, token
        self._places = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(address, _Connection)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is a place; who is turned away comes again."""
        return self._places.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are the other side's matter, which asks again."""
        if not isinstance(sys.exc_info()[1], OSError):
            _log.exception("A question to the account of the workers failed")


class _Connection(socketserver.StreamRequestHandler):
    server: _Server
    timeout = _QUESTION_S
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answers one question of somebody who knows the token."""
        token, nonce = self.server.token, secrets.token_hex(16).encode()
        self.wfile.write(messages.GREETING + b" " + nonce + b"\n")
        line = self.rfile.readline(messages.MOST_ASKED)
        if not line.endswith(b"\n"):
            return
        given, _, asked = line[:-1].partition(b" ")
        if not messages.is_sealed(given, token, nonce, asked):
            self.wfile.write(messages.REFUSED + b"\n")
            return
        answer = messages.write(self.server.keeper.answer(messages.read(asked) or {}))
        self.wfile.write(messages.seal(token, nonce, asked, answer) + b" " + answer + b"\n")


def _listening(host: str, port: int, keeper: Keeper, token: Secret) -> _Server:
    """Listens; waits a little for a port that is still in use."""
    until = time.monotonic() + _PORT_S
    while True:
        try:
            return _bound(host, port, keeper, token)
        except OSError as error:
            if time.monotonic() > until:
                raise ConfigurationError(
                    describe(
                        f"The account of the workers cannot be kept here: {error.strerror}",
                        expected="a free port on a name or address of this machine",
                        received=f"{host}:{port}",
                        hint="The chief keeps it; another of its processes may do so already",
                    )
                ) from None
        time.sleep(0.1)


def _bound(host: str, port: int, keeper: Keeper, token: Secret) -> _Server:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    try:
        return _Server(family, address, keeper, token)
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
    # Through address translation, a name may lead here without being an interface of ours.
    return _Server(family, ("::" if family == socket.AF_INET6 else "", port), keeper, token)
