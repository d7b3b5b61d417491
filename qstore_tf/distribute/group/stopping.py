"""All workers agree on the step after which they stop, without waiting in any step for it.

Mirrored training moves in lockstep: no worker finishes step k before every worker has begun it, so
that the steps they have completed differ by one at most. A worker that is asked to stop cannot just
save and go: the others must stop after the same step, and none may begin a step that another will
not take part in.

1. Whoever is asked tells the chief; the chief proposes to all that they stop.
2. Each answers with the steps it has completed, c, and from then on does not go on after step c + 1
   without having heard the decision. The answer comes from a thread that no step keeps waiting.
3. The chief decides on min(c) + 2. As c is min(c) or min(c) + 1, nobody has gone past that step.
"""

from __future__ import annotations

import threading

from qstore_tf.distribute.group.channel import Message
from qstore_tf.distribute.group.group import Group

_MARGIN = 2


class StopAgreement:
    """The agreement to stop; made on every worker as soon as it has a group.

    Example:
        >>> from qstore_tf.distribute.group.cluster import Cluster
        >>> from qstore_tf.distribute.group.meeting import Meeting
        >>> agreement = StopAgreement(Group(Meeting(Cluster(("127.0.0.1:2222",), 0))))
        >>> agreement.completed(1)
        False
        >>> agreement.ask()
        >>> [agreement.completed(step) for step in (2, 3)]
        [False, True]
    """

    def __init__(self, group: Group) -> None:
        """Begins to listen for those who ask."""
        self._group = group
        self._completed = 0
        self._limit: int | None = None
        self._decided: int | None = None
        self._progress: dict[int, int] = {}
        self._lock = threading.Lock()
        self._proposed = False
        group.handle("stop", self._propose)
        group.handle("stop?", self._answer)
        group.handle("stop-progress", self._collect)
        group.handle("stop-at", self._hear)

    def ask(self) -> None:
        """Asks all to stop soon; may be called on any thread, any number of times."""
        self._group.send(0, {"kind": "stop"})

    def completed(self, step: int) -> bool:
        """Notes that this worker has completed a step; returns whether it is the last one.

        Args:
            step: Counted from 1 over all of the process's training, the same on all workers.

        Raises:
            WorkerLostError: A worker went away while the decision was waited for.
        """
        with self._lock:
            self._completed = step
            must_wait = self._limit is not None and step >= self._limit
        if must_wait:
            self._group.wait(lambda: self._decided is not None)
        return self._decided is not None and step >= self._decided

    def _propose(self, index: int, message: Message) -> None:
        with self._lock:
            first, self._proposed = not self._proposed, True
        if first:
            self._group.tell_all({"kind": "stop?"})

    def _answer(self, index: int, message: Message) -> None:
        with self._lock:
            completed = self._completed
            self._limit = completed + _MARGIN - 1
        self._group.send(0, {"kind": "stop-progress", "completed": completed})

    def _collect(self, index: int, message: Message) -> None:
        with self._lock:
            self._progress[index] = int(message["completed"])
            complete = len(self._progress) == len(self._group.cluster.workers)
        if complete:
            step = min(self._progress.values()) + _MARGIN
            self._group.tell_all({"kind": "stop-at", "step": step})

    def _hear(self, index: int, message: Message) -> None:
        self._decided = int(message["step"])
        self._group.changed()
