"""One connection between two workers: each message is a line of JSON of bounded length.

The port is open to everyone who reaches it, as TensorFlow's own is. Received data may be anything:
none of it is executed, and only numbers and short texts are used.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from typing import Any

# Identifies the protocol: a peer that answers with anything else is not one of our workers.
GREETING = "qstore-workers-1"
MAX_MESSAGE_BYTES = 1 << 16

# A peer whose machine disappeared without closing the connection counts as lost after about 30 s.
_KEEPALIVE = (
    ("TCP_KEEPIDLE", 10),
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 4),
    ("TCP_USER_TIMEOUT", 30_000),
)

Message = dict[str, Any]


class Channel:
    """Sends and receives messages over a socket; any thread may send, one may receive."""

    def __init__(self, connection: socket.socket) -> None:
        """Takes over a connected socket."""
        self._socket = connection
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self._received = b""
        self._sending = threading.Lock()

    def send(self, message: Message) -> None:
        """Sends one message.

        Raises:
            OSError: The peer is gone.
        """
        line = json.dumps(message).encode() + b"\n"
        if len(line) > MAX_MESSAGE_BYTES:
            raise ValueError(f"A message of {len(line)} bytes is longer than {MAX_MESSAGE_BYTES}")
        with self._sending:
            self._socket.sendall(line)

    def receive(self, timeout: float | None = None) -> Message | None:
        """Waits for the next message.

        Args:
            timeout: Seconds after which it gives up; None waits without limit.

        Returns:
            The message, or None if the peer closed the connection or sent anything else.

        Raises:
            OSError: The connection broke.
            TimeoutError: No whole message came in time.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._received:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.001)
            self._socket.settimeout(left)
            if len(self._received) > MAX_MESSAGE_BYTES:
                return None
            got = self._socket.recv(4096)
            if not got:
                return None
            self._received += got
        line, _, self._received = self._received.partition(b"\n")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return None
        return message if isinstance(message, dict) else None

    def close(self) -> None:
        """Closes the connection; the peer's `receive` returns None."""
        with contextlib.suppress(OSError):  # closed by the peer already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
