"""Workers meet before TensorFlow starts: all are there and fit together, or one clear error.

The chief listens on its own address, the one that TensorFlow's server takes afterwards, so that no
further port is needed. Each worker says who it is and what it runs; when all have come, the chief
compares and tells all of them to begin, or what is wrong. The connections stay open: `group.py`
works over them.
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

_PAUSE = 0.1
_ANSWER = 10.0


@dataclass
class Meeting:
    """What the workers leave their meeting with.

    Args:
        cluster: The workers, and which of them this is.
        channels: The chief's connection to every other worker by index; on the others, the one
            to the chief, under 0.
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
        facts: What must be the same on all of them, as JSON: versions, options.
        timeout: Seconds to wait for the others.

    Raises:
        StartTimeoutError: Some did not come; the message names them. Or the chief could not
            listen on its address.
        WorkerMismatchError: Their facts differ; the message says in what, on every worker.

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
                f"Not all workers came within {timeout:g} s",
                expected=f"{len(cluster.workers)} workers",
                received=f"none from {_named(cluster, missing)}",
                hint="Look at the logs of those workers, or give start_timeout= more seconds",
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
            time.sleep(_PAUSE)
            continue
        try:
            # The chief waits for the others as long as it is told to; it ends the wait itself.
            answer = channel.receive(max(deadline - time.monotonic(), 0.0) + _ANSWER)
        except OSError as error:
            answer, last = None, _text(error)
        if answer is None:
            channel.close()
            last = "the chief went away while it waited for the others"
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
            "or give start_timeout= more seconds",
        )
    )


class _Arrivals:
    """Who has come so far; filled by one thread a connection."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._changed = threading.Condition()
        self.over = False
        self.channels: dict[int, Channel] = {}
        self.facts: dict[int, dict[str, Any]] = {}

    def wait(self, timeout: float) -> list[int]:
        """Returns the workers that are missing when the time is up; none where all have come."""
        everyone = set(range(1, len(self._cluster.workers)))
        with self._changed:
            self._changed.wait_for(lambda: everyone == set(self.channels), timeout)
            self.over = True
            return sorted(everyone - set(self.channels))

    def receive(self, connection: socket.socket) -> None:
        """Takes a greeting; a connection that says anything else is closed."""
        channel = Channel(connection)
        try:
            hello = channel.receive(_ANSWER)
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
            except OSError:  # gone already
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
        """Forgets a worker that dies while the others are waited for."""
        while not self.over:
            # Not by the socket's own timeout: once all have come, it belongs to another thread.
            ready = select.poll()
            ready.register(connection, select.POLLIN)
            if not ready.poll(1000 * _PAUSE):
                continue
            with self._changed:
                if self.over:
                    return
                # Closed, broken, or it speaks where a worker would wait: no worker any more.
                self.channels.pop(index).close()
                self.facts.pop(index)
                return

    def close(self) -> None:
        with self._changed:
            for channel in self.channels.values():
                channel.close()
            self.channels.clear()


def _greet(chief: str, index: int, facts: Mapping[str, Any]) -> tuple[Channel | None, str]:
    """Returns a channel to a chief that took the greeting, or None and why not."""
    try:
        connection = socket.create_connection(split(chief), timeout=2.0)
    except OSError as error:
        return None, _text(error)
    channel = Channel(connection)
    try:
        channel.send({"greeting": GREETING, "index": index, "facts": dict(facts)})
        answer = channel.receive(_ANSWER)
    except OSError as error:
        channel.close()
        return None, _text(error)
    if answer is not None and answer.get("greeting") == GREETING:
        return channel, ""
    channel.close()
    if answer is not None and answer.get("taken"):
        return None, f"another process came as worker {index}"
    # TensorFlow's own server, left by a chief that has not noticed yet that a worker is gone.
    return None, "something else answers there, perhaps a training run that is about to end"


def _listen(address: str, deadline: float, timeout: float) -> socket.socket:
    """Listens there; tries again until the deadline, for names and ports that come late."""
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
                        hint=f"{_text(error)}; is another training run there?",
                    )
                ) from error
        time.sleep(_PAUSE)


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
            # A name that leads here through a translation of addresses is no interface of ours.
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
        except OSError:  # shut down, or for now there are too many open files
            time.sleep(_PAUSE)
            continue
        threading.Thread(target=arrivals.receive, args=(connection,), daemon=True).start()


def difference(cluster: Cluster, facts: Mapping[int, Mapping[str, Any]]) -> str | None:
    """Says in what the workers' facts (by index, then name) differ from the chief's, or None."""
    for name in dict.fromkeys(name for of_one in facts.values() for name in of_one):
        expected = facts[0].get(name)
        others = [index for index in facts if facts[index].get(name) != expected]
        if others:
            first = others[0]
            more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
            return describe(
                f"The workers do not fit together: {name} differs",
                expected=f"{expected!r}, as on worker 0 ({cluster.workers[0]})",
                received=facts[first].get(name),
                hint=f"That is what worker {first} ({cluster.workers[first]}){more} has; "
                "make it the same on all of them",
            )
    return None


def lost(cluster: Cluster, index: int) -> WorkerLostError:
    """Returns the error that says that a worker is gone."""
    return WorkerLostError(
        describe(
            f"Worker {index} ({cluster.workers[index]}) was lost",
            expected=f"all {len(cluster.workers)} workers to stay until the end of the training",
            received=f"no connection to worker {index} any more",
            hint=f"Look at the log of worker {index} for the reason, then start all workers "
            "again; with FaultTolerance they go on from the last checkpoint",
        )
    )


def _named(cluster: Cluster, indices: list[int]) -> str:
    shown = ", ".join(f"worker {index} ({cluster.workers[index]})" for index in indices[:8])
    return shown + (f" and {len(indices) - 8} more" if len(indices) > 8 else "")


def _text(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
