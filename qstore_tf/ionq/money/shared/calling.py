"""A worker's questions to the keeper of its account: asked again until there is an answer."""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from qstore_tf.credentials import Secret
from qstore_tf.errors import AccountUnreachableError, ConfigurationError, describe
from qstore_tf.ionq.money.exceeding import me
from qstore_tf.ionq.money.shared import messages

_log = logging.getLogger("qstore_tf")
_FIRST_S, _LONGEST_S = 0.05, 5.0  # pauses between tries; they double
_SHORTEST_S = 0.001
_TRY_S = 10.0  # for one try

Exchange = Callable[[bytes, float], bytes]


class Unanswered(Exception):
    """The question may have arrived, but there is no answer that can be trusted; says why."""


class Clock(Protocol):
    """What `time` has; tests have one that moves by itself."""

    def monotonic(self) -> float:
        """Seconds since some moment."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Waits."""
        ...


class Caller:
    """Asks one account. Safe for threads, and for processes forked meanwhile.

    Args:
        exchange: Sends a question within some seconds and returns the answer, or raises
            `Unanswered`.
        where: The account in words.
        patience_s: For how long an account that does not answer is asked again. Once that was in
            vain, later questions are asked once only, until one is answered.
        clock: Another clock, for tests.
    """

    def __init__(
        self, exchange: Exchange, where: str, patience_s: float, clock: Clock = time
    ) -> None:
        self._exchange, self._where = exchange, where
        self._patience_s, self._clock = patience_s, clock
        self._lock = threading.Lock()
        self._is_away = False  # whether somebody has waited in vain
        self._begin()

    def _begin(self) -> None:
        self._process, self._session = os.getpid(), uuid.uuid4().hex
        self._last = 0
        self._asking: set[int] = set()

    def look(self, do: str, **given: Any) -> Any:
        """Returns what is found without changing anything; see `keeper.LOOKS`."""
        return self._ask({"do": do, "number": 0, "oldest": 0}, given)

    def change(self, do: str, **given: Any) -> None:
        """Changes the account, once, however often it has to be asked; see `keeper.CHANGES`.

        Raises:
            AccountUnreachableError: There was no answer. It may have been done or not.
            QstoreError: The account refuses.
        """
        with self._lock:
            if self._process != os.getpid():  # a forked process has numbers of its own
                self._begin()
            self._last += 1
            number = self._last
            self._asking.add(number)
            oldest = min(self._asking)
        try:
            self._ask({"do": do, "number": number, "oldest": oldest}, given)
        finally:
            with self._lock:
                self._asking.discard(number)

    def _ask(self, question: dict[str, Any], given: dict[str, Any]) -> Any:
        asked = {**question, "session": self._session, "owner": me(), "with": given}
        answer = messages.read(self._answered(messages.write(asked))) or {}
        if "error" in answer:
            raise messages.to_error(answer)
        return answer.get("found")

    def _answered(self, line: bytes) -> bytes:
        begin, tries = self._clock.monotonic(), 0
        while True:
            try:
                answer = self._exchange(line, _TRY_S)
            except Unanswered as error:
                why = str(error)
            else:
                if tries or self._is_away:
                    _log.info("The account at %s answers again", self._where)
                self._is_away = False
                return answer
            tries += 1
            waited = self._clock.monotonic() - begin
            left = 0.0 if self._is_away else self._patience_s - waited
            if left < _SHORTEST_S:
                self._is_away = True
                raise AccountUnreachableError(
                    describe(
                        f"The account that the workers share did not answer within {waited:.0f} s",
                        expected=f"the chief, which keeps it, at {self._where}",
                        received=why,
                        hint="Nothing was granted. Look whether the chief runs; what was spent and "
                        "reserved is in its file, and running the same again goes on from there",
                    )
                )
            if tries == 1:
                _log.warning(
                    "The account at %s does not answer (%s); asking again for %g s",
                    self._where,
                    why,
                    self._patience_s,
                )
            pause = min(_LONGEST_S, _FIRST_S * 2.0 ** min(tries - 1, 30))
            self._clock.sleep(min(left, random.uniform(pause / 2, pause)))


class Line:
    """Questions over TCP, a connection for each: there is none that could have died unnoticed.

    Args:
        address: `host:port` of the account.
        token: The secret.
    """

    def __init__(self, address: str, token: Secret) -> None:
        self._target, self._token = messages.split_host(address), token

    def __call__(self, asked: bytes, timeout_s: float) -> bytes:
        """Sends a question, once.

        Raises:
            Unanswered: There is no answer in time, or another program is there.
            ConfigurationError: The account has another token or another protocol.
        """
        until = time.monotonic() + timeout_s
        try:
            with socket.create_connection(self._target, timeout=timeout_s) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                greeting, _, nonce = _line(connection, until, 200).partition(b" ")
                if greeting != messages.GREETING:
                    raise self._stranger(greeting)
                seal = messages.seal(self._token, nonce, asked)
                connection.sendall(seal + b" " + asked + b"\n")
                line = _line(connection, until, messages.MOST_ANSWERED)
        except OSError as error:
            raise Unanswered(error.strerror or str(error) or type(error).__name__) from None
        if line == messages.REFUSED:
            raise ConfigurationError(
                describe(
                    "The account does not take this worker's token",
                    expected=f"the same {messages.TOKEN} on all workers",
                    hint="The token is shown nowhere; compare where each worker gets it from",
                )
            )
        given, _, answer = line.partition(b" ")
        if not messages.is_sealed(given, self._token, nonce, asked, answer):
            raise Unanswered("the answer was not that of somebody who knows the token")
        return answer

    @staticmethod
    def _stranger(greeting: bytes) -> Exception:
        if greeting.startswith(messages.KIND):
            return ConfigurationError(
                describe(
                    "The account speaks another protocol",
                    expected=messages.GREETING.decode(),
                    received=greeting.decode("ascii", "replace"),
                    hint="Use the same version of qstore_tf on all workers",
                )
            )
        return Unanswered("a different program answers there")


def _line(connection: socket.socket, until: float, most: int) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        connection.settimeout(max(until - time.monotonic(), 0.001))
        got = connection.recv(1 << 16)
        if not got or len(received) > most:
            raise Unanswered("the connection was closed without an answer")
        received += got
    return bytes(received[:-1])
