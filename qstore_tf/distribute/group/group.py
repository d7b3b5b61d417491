"""The workers of a run after their meeting: exchange of small values, and notice of losses."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from qstore_tf.distribute.group.channel import Channel, Message
from qstore_tf.distribute.group.cluster import Cluster
from qstore_tf.distribute.group.meeting import Meeting, lost
from qstore_tf.errors import WorkerLostError, WorkerMismatchError, describe

_log = logging.getLogger(__name__)

Handler = Callable[[int, Message], None]


class Group:
    """Exchanges messages with the other workers through the chief; one thread per connection.

    Without other workers every method returns at once.

    Example:
        >>> group = Group(Meeting(Cluster(("127.0.0.1:2222",), 0)))
        >>> group.exchange("samples", 60_000)
        [60000]
    """

    def __init__(
        self, meeting: Meeting, on_loss: Callable[[WorkerLostError], None] | None = None
    ) -> None:
        """Starts to listen.

        Args:
            meeting: The open connections.
            on_loss: Called once, in a new thread, when a worker is lost.
        """
        self.cluster: Cluster = meeting.cluster
        self._channels = meeting.channels
        self._on_loss = on_loss
        self._changed = threading.Condition()
        self._lost: WorkerLostError | None = None
        self._finished: set[int] = set()
        self._closed = False
        self._turn = 0
        self._given: dict[int, dict[int, Message]] = {}
        self._results: dict[int, Message] = {}
        self._handlers: dict[str, Handler] = {
            "give": self._on_give,
            "result": self._on_result,
            "bye": self._on_bye,
            "lost": lambda index, message: self._lose(int(message["index"])),
        }
        self._threads = [
            threading.Thread(target=self._listen, args=item, name="qstore-group", daemon=True)
            for item in self._channels.items()
        ]
        for thread in self._threads:
            thread.start()

    @property
    def lost(self) -> WorkerLostError | None:
        """The error that names the lost worker, or None while all are present."""
        return self._lost

    def handle(self, kind: str, handler: Handler) -> None:
        """Sets the function (sender's index, message) for messages of a kind; it must not wait."""
        self._handlers[kind] = handler

    def send(self, index: int, message: Message) -> None:
        """Sends a message to the chief (0) or, on the chief, to any worker; or to itself.

        A peer that is gone raises no error here: `lost` reports it.
        """
        if index == self.cluster.index:
            self._handlers[message["kind"]](index, message)
            return
        try:
            self._channels[index].send(message)
        except OSError:
            self._lose(index)

    def send_to_all(self, message: Message) -> None:
        """On the chief: sends a message to every worker, including itself."""
        for index in range(len(self.cluster.workers)):
            self.send(index, message)

    def exchange(self, name: str, value: Any) -> list[Any]:
        """Sends a value to all workers and returns the values of all, by index; waits for all.

        All workers must make the same exchanges in the same order, from one thread.

        Args:
            name: The name of the exchange.
            value: A small value that can be written as JSON.

        Raises:
            WorkerLostError: A worker was lost.
            WorkerMismatchError: The workers are at different exchanges, or one has already
                finished: they run different code.
        """
        turn, self._turn = self._turn, self._turn + 1
        self.send(0, {"kind": "give", "turn": turn, "name": name, "value": value})
        with self._changed:
            # The chief's last answer arrives before its "bye", on the same connection.
            self._changed.wait_for(
                lambda: turn in self._results or self._lost is not None or 0 in self._finished
            )
            result = self._results.pop(turn, None)
        if result is None and self._lost is not None:
            raise self._lost
        if result is None:
            result = {"error": _different_calls({0: "finished", self.cluster.index: name})}
        if "error" in result:
            raise WorkerMismatchError(str(result["error"]))
        return list(result["values"])

    def wait(self, condition: Callable[[], bool], timeout: float | None = None) -> bool:
        """Waits until a condition that handlers change is true; returns whether it is.

        Raises:
            WorkerLostError: A worker was lost meanwhile.
        """
        with self._changed:
            self._changed.wait_for(lambda: condition() or self._lost is not None, timeout)
            if not condition() and self._lost is not None:
                raise self._lost
            return condition()

    def notify(self) -> None:
        """Makes `wait` check its condition again."""
        with self._changed:
            self._changed.notify_all()

    def finish(self) -> None:
        """Tells the others that this worker has finished, and waits until all have.

        Raises:
            WorkerLostError: A worker was lost before it had finished.
        """
        if self._closed:
            return
        chief = self.cluster.is_chief
        everyone = set(range(len(self.cluster.workers)))
        if chief:
            self._on_bye(0, {})
        else:
            self.send(0, {"kind": "bye"})
        self.wait(lambda: self._finished >= everyone if chief else 0 in self._finished)
        self._closed = True
        if chief:
            for index in self._channels:
                self.send(index, {"kind": "bye"})
        for channel in self._channels.values():
            channel.close()

    def abandon(self) -> None:
        """Closes the connections without notice: the other workers lose this one."""
        self._closed = True
        for channel in self._channels.values():
            channel.close()

    def _listen(self, index: int, channel: Channel) -> None:
        while True:
            try:
                message = channel.receive()
            except OSError:
                message = None
            if message is None:
                # A worker that has finished stays until the chief's "bye" to all.
                if index != 0 or index not in self._finished:
                    self._lose(index)
                return
            try:
                self._handlers[message["kind"]](index, message)
            except (KeyError, TypeError, ValueError) as error:
                _log.error("Worker %d sent an invalid message (%r)", index, error)
                self._channels[index].close()
                self._lose(index)
                return

    def _lose(self, index: int) -> None:
        with self._changed:
            if self._lost is not None or self._closed:
                return
            self._lost = lost(self.cluster, index)
            self._changed.notify_all()
        if self.cluster.is_chief:
            for other in self._channels:
                if other != index:
                    self.send(other, {"kind": "lost", "index": index})
        if self._on_loss is not None:
            threading.Thread(target=self._on_loss, args=(self._lost,), daemon=True).start()

    def _on_give(self, index: int, message: Message) -> None:
        """On the chief: keeps a worker's value, and answers when all values are there."""
        with self._changed:
            self._given.setdefault(message["turn"], {})[index] = message
        self._answer(message["turn"])

    def _on_bye(self, index: int, message: Message) -> None:
        """Notes that a worker has finished, and answers the exchanges that wait for it."""
        with self._changed:
            self._finished.add(index)
            self._changed.notify_all()
        if self.cluster.is_chief:
            for turn in list(self._given):
                self._answer(turn)

    def _answer(self, turn: int) -> None:
        """Answers an exchange that is complete, or that some workers will never take part in."""
        with self._changed:
            given = self._given.get(turn, {})
            if not given or (len(given) < len(self.cluster.workers) and not self._finished):
                return
            del self._given[turn]
        calls = {
            i: given[i]["name"] if i in given else "finished" for i in {*given, *self._finished}
        }
        answer: Message = {"kind": "result", "turn": turn}
        if len(set(calls.values())) == 1 and not self._finished - set(given):
            answer["values"] = [given[i]["value"] for i in sorted(given)]
        else:
            answer["error"] = _different_calls(calls)
        for index in given:
            self.send(index, answer)

    def _on_result(self, index: int, message: Message) -> None:
        with self._changed:
            self._results[message["turn"]] = message
            self._changed.notify_all()


def _different_calls(calls: dict[int, str]) -> str:
    return describe(
        "The workers make different calls at the same point of the training",
        expected="the same calls in the same order on every worker",
        received=", ".join(f"worker {index}: {calls[index]}" for index in sorted(calls)),
        hint="Run the same script on all workers, without an 'if' on the worker's index around "
        "fit, evaluate or predict",
    )
