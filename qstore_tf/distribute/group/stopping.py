"""All workers agree on the step after which they stop, at no cost to the steps before.

Mirrored training runs in lockstep: no worker finishes step k before every worker has begun it, so
the numbers of completed steps differ by at most one. A worker that is asked to stop cannot just
save and exit: the others must stop after the same step, and none may begin a step in which another
worker takes no part.

1. The worker that is asked tells the chief; the chief proposes to all workers that they stop.
2. Each answers with the number of steps it has completed, c, and from then on waits for the
   decision after step c + 1. The answer is sent by a thread that no step blocks.
3. The chief decides on min(c) + 2. As c is min(c) or min(c) + 1, no worker is past that step.
"""

from __future__ import annotations

import threading

from qstore_tf.distribute.group.channel import Message
from qstore_tf.distribute.group.group import Group

_MARGIN = 2


class StopAgreement:
    """The agreement on the last step; created on every worker as soon as it has a group.

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
        """Starts to listen for requests to stop."""
        self._group = group
        self._completed = 0
        self._limit: int | None = None
        self._decided: int | None = None
        self._progress: dict[int, int] = {}
        self._lock = threading.Lock()
        self._proposed = False
        group.handle("stop", self._on_request)
        group.handle("stop?", self._on_proposal)
        group.handle("stop-progress", self._on_progress)
        group.handle("stop-at", self._on_decision)

    def ask(self) -> None:
        """Asks all workers to stop soon; may be called in any thread, any number of times."""
        self._group.send(0, {"kind": "stop"})

    def completed(self, step: int) -> bool:
        """Records that this worker has completed a step; returns whether it is the last one.

        Args:
            step: The number of the step, from 1, in all training of this process; the same on
                all workers.

        Raises:
            WorkerLostError: A worker was lost before the decision arrived.
        """
        with self._lock:
            self._completed = step
            must_wait = self._limit is not None and step >= self._limit
        if must_wait:
            self._group.wait(lambda: self._decided is not None)
        return self._decided is not None and step >= self._decided

    def _on_request(self, index: int, message: Message) -> None:
        with self._lock:
            first, self._proposed = not self._proposed, True
        if first:
            self._group.send_to_all({"kind": "stop?"})

    def _on_proposal(self, index: int, message: Message) -> None:
        with self._lock:
            completed = self._completed
            self._limit = completed + _MARGIN - 1
        self._group.send(0, {"kind": "stop-progress", "completed": completed})

    def _on_progress(self, index: int, message: Message) -> None:
        with self._lock:
            self._progress[index] = int(message["completed"])
            complete = len(self._progress) == len(self._group.cluster.workers)
        if complete:
            step = min(self._progress.values()) + _MARGIN
            self._group.send_to_all({"kind": "stop-at", "step": step})

    def _on_decision(self, index: int, message: Message) -> None:
        self._decided = int(message["step"])
        self._group.notify()
