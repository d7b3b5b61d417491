"""Workers meet before TensorFlow starts: all are present and match, or there is a clear error.

The chief listens on its own address, the one that TensorFlow's server binds afterwards, so that no
further port is needed. Each worker sends its index and its facts, such as versions. When all have
arrived, the chief compares the facts and tells all workers to start, or what is wrong. The
connections stay open: `group.py` uses them.
"""

from __future__ import annotations

import errno
import select
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qstore_tf.distribute.group.channel import GREETING, Channel, Message
from qstore_tf.distribute.group.cluster import Cluster, split
from qstore_tf.errors import StartTimeoutError, WorkerLostError, WorkerMismatchError, describe

_RETRY_SECONDS = 0.1
_ANSWER_SECONDS = 10.0


@dataclass
class Meeting:
    """The open connections of a worker after the meeting.

    Args:
        cluster: The workers, and which of them this is.
        channels: On the chief, the connections to all other workers by index; on the others, the
            connection to the chief, under 0.
    """

    cluster: Cluster
    channels: dict[int, Channel] = field(default_factory=dict)


def meet(
    cluster: Cluster,
    facts: Mapping[str, Any],
    timeout: float,
) -> Meeting:
    """Waits for all workers and compares their facts.

    Args:
        cluster: The workers, and which of them this is.
        facts: Values by name that must be the same on all of them: versions, options.
        timeout: Seconds to wait for the others.

    Raises:
        StartTimeoutError: Some did not arrive; the message names them. Or the chief could not
            listen on its address.
        WorkerMismatchError: Their facts differ; the message names the fact, on every worker.

    Example:
        >>> meet(Cluster(("127.0.0.1:2222",), 0), {"the seed": 4}, timeout=1).channels
        {}
    """
    facts = {**facts, "the list of workers": list(cluster.workers)}
    if len(cluster.workers) == 1:
        return Meeting(cluster)
    if cluster.is_chief:
        return _gather(cluster, facts, timeout)
    return _join(cluster, facts, timeout)


def _gather(cluster: Cluster, facts: Mapping[str, Any], timeout: float) -> Meeting:
    arrivals = _Arrivals(cluster)
    deadline = time.monotonic() + timeout
    listener = _listen(cluster.address, deadline, timeout)
    accepting = threading.Thread(target=_accept, args=(listener, arrivals), daemon=True)
    accepting.start()
    try:
        missing = arrivals.wait(deadline - time.monotonic())
    finally:
        # Closing alone would not wake the thread that waits in `accept`.
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
        listener.close()
    if missing:
        arrivals.close()
        raise StartTimeoutError(
            describe(
                f"Not all workers arrived within {timeout:g} s",
                expected=f"{len(cluster.workers)} workers",
                received=f"none from {_named(cluster, missing)}",
                hint="Look at the logs of those workers, or raise start_timeout",
            )
        )
    problem = difference(cluster, {0: dict(facts), **arrivals.facts})
    answer: Message = {"error": problem} if problem else {"begin": True}
    for index, channel in arrivals.channels.items():
        try:
            channel.send(answer)
        except OSError as error:
            arrivals.close()
            raise lost(cluster, index) from error
    if problem:
        arrivals.close()
        raise WorkerMismatchError(problem)
    return Meeting(cluster, dict(arrivals.channels))


def _join(cluster: Cluster, facts: Mapping[str, Any], timeout: float) -> Meeting:
    chief = cluster.workers[0]
    deadline = time.monotonic() + timeout
    last = "no answer"
    while time.monotonic() < deadline:
        channel, last = _greet(chief, cluster.index, facts)
        if channel is None:
            time.sleep(_RETRY_SECONDS)
            continue
        try:
            # The chief has the same timeout for the others, and answers when it is over.
            answer = channel.receive(max(deadline - time.monotonic(), 0.0) + _ANSWER_SECONDS)
        except OSError as error:
            answer, last = None, _text(error)
        if answer is None:
            channel.close()
            last = "the chief was lost while it waited for the others"
            continue
        if "error" in answer:
            channel.close()
            raise WorkerMismatchError(str(answer["error"])[:4000])
        return Meeting(cluster, {0: channel})
    raise StartTimeoutError(
        describe(
            f"Worker {cluster.index} waited {timeout:g} s for the chief, worker 0 ({chief})",
            expected="a chief that waits for its workers there",
            received=last,
            hint="Look at the log of worker 0, check that its address is reachable from here, "
            "or raise start_timeout",
        )
    )


class _Arrivals:
    """The workers that have arrived so far; one thread per connection adds to it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._changed = threading.Condition()
        self.over = False
        self.channels: dict[int, Channel] = {}
        self.facts: dict[int, dict[str, Any]] = {}

    def wait(self, timeout: float) -> list[int]:
        """Waits for all workers and returns the indices of those that are missing at the end."""
        everyone = set(range(1, len(self._cluster.workers)))
        with self._changed:
            self._changed.wait_for(lambda: everyone == set(self.channels), timeout)
            self.over = True
            return sorted(everyone - set(self.channels))

    def receive(self, connection: socket.socket) -> None:
        """Reads a greeting; a connection that sends anything else is closed."""
        channel = Channel(connection)
        try:
            hello = channel.receive(_ANSWER_SECONDS)
        except OSError:
            hello = None
        index = hello.get("index") if hello and hello.get("greeting") == GREETING else None
        facts = hello.get("facts") if hello else None
        if (
            isinstance(index, bool)
            or not isinstance(index, int)
            or not 0 < index < len(self._cluster.workers)
            or not isinstance(facts, dict)
        ):
            channel.close()
            return
        with self._changed:
            taken = self.over or index in self.channels
            try:
                channel.send({"taken": True} if taken else {"greeting": GREETING})
            except OSError:  # closed by the peer
                channel.close()
                return
            if not taken:
                self.channels[index] = channel
                self.facts[index] = facts
                self._changed.notify_all()
        if taken:
            channel.close()
            return
        self._watch(index, connection)

    def _watch(self, index: int, connection: socket.socket) -> None:
        """Removes a worker that dies while others have not arrived yet."""
        while not self.over:
            # Not with the socket's own timeout: once all have arrived, another thread uses it.
            ready = select.poll()
            ready.register(connection, select.POLLIN)
            if not ready.poll(1000 * _RETRY_SECONDS):
                continue
            with self._changed:
                if self.over:
                    return
                # Closed, broken, or it sends something where a worker would wait.
                self.channels.pop(index).close()
                self.facts.pop(index)
                return

    def close(self) -> None:
        with self._changed:
            for channel in self.channels.values():
                channel.close()
            self.channels.clear()


def _greet(chief: str, index: int, facts: Mapping[str, Any]) -> tuple[Channel | None, str]:
    """Returns a channel to a chief that accepted the greeting, or None and the reason."""
    try:
        connection = socket.create_connection(split(chief), timeout=2.0)
    except OSError as error:
        return None, _text(error)
    channel = Channel(connection)
    try:
        channel.send({"greeting": GREETING, "index": index, "facts": dict(facts)})
        answer = channel.receive(_ANSWER_SECONDS)
    except OSError as error:
        channel.close()
        return None, _text(error)
    if answer is not None and answer.get("greeting") == GREETING:
        return channel, ""
    channel.close()
    if answer is not None and answer.get("taken"):
        return None, f"another process has the index of worker {index}"
    # Perhaps TensorFlow's own server, of a chief that has not noticed yet that it lost a worker.
    return None, "a different program answers there, perhaps a training run that is about to end"


def _listen(address: str, deadline: float, timeout: float) -> socket.socket:
    """Listens on an address; retries until the deadline, as the name or port may be late."""
    while True:
        try:
            return _listening(address)
        except OSError as error:
            if time.monotonic() > deadline:
                raise StartTimeoutError(
                    describe(
                        f"The chief could not listen on its address for {timeout:g} s",
                        expected="a free port on a name or address of this machine",
                        received=address,
                        hint=f"{_text(error)}. Check that no other training run uses this address",
                    )
                ) from error
        time.sleep(_RETRY_SECONDS)


def _listening(address: str) -> socket.socket:
    host, port = split(address)
    family, _, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(target)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            # Through address translation, a name may lead here without being an interface of ours.
            listener.bind(("::" if family == socket.AF_INET6 else "", port))
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener


def _accept(listener: socket.socket, arrivals: _Arrivals) -> None:
    while not arrivals.over:
        try:
            connection, _ = listener.accept()
        except OSError:  # shut down, or too many open files at the moment
            time.sleep(_RETRY_SECONDS)
            continue
        threading.Thread(target=arrivals.receive, args=(connection,), daemon=True).start()


def difference(cluster: Cluster, facts: Mapping[int, Mapping[str, Any]]) -> str | None:
    """Describes how the workers' facts (by index, then name) differ from the chief's, or None."""
    for name in dict.fromkeys(name for of_one in facts.values() for name in of_one):
        expected = facts[0].get(name)
        others = [index for index in facts if facts[index].get(name) != expected]
        if others:
            first = others[0]
            more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
            return describe(
                f"The workers do not match: {name} differs",
                expected=f"{expected!r}, as on worker 0 ({cluster.workers[0]})",
                received=facts[first].get(name),
                hint=f"Received from worker {first} ({cluster.workers[first]}){more}; make it the "
                "same on all workers",
            )
    return None


def lost(cluster: Cluster, index: int) -> WorkerLostError:
    """Returns the error that says that a worker was lost."""
    return WorkerLostError(
        describe(
            f"Worker {index} ({cluster.workers[index]}) was lost",
            expected=f"all {len(cluster.workers)} workers to stay until the end of the training",
            received=f"a closed connection to worker {index}",
            hint=f"Look at the log of worker {index} for the reason, then restart all workers; "
            "with FaultTolerance they resume from the last checkpoint",
        )
    )


def _named(cluster: Cluster, indices: list[int]) -> str:
    shown = ", ".join(f"worker {index} ({cluster.workers[index]})" for index in indices[:8])
    return shown + (f" and {len(indices) - 8} more" if len(indices) > 8 else "")


def _text(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
