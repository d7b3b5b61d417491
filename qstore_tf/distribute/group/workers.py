"""The run that a process takes part in: its group, its seed and the steps it has completed."""

from __future__ import annotations

from typing import Any

from qstore_tf.distribute.group.cluster import Cluster
from qstore_tf.distribute.group.group import Group
from qstore_tf.distribute.group.meeting import Meeting, difference
from qstore_tf.distribute.group.stopping import StopAgreement
from qstore_tf.errors import WorkerMismatchError


class Workers:
    """What a process knows of the run it takes part in.

    Args:
        group: Sends messages to the other workers.
        seed: The seed that all workers share.

    Attributes:
        completed: The steps that this process has completed, training and validation together.
        stopping: The agreement on the step after which all workers stop.

    Example:
        >>> alone(seed=3).group.cluster.is_chief
        True
    """

    def __init__(self, group: Group, seed: int) -> None:
        """Starts to listen for requests to stop."""
        self.group = group
        self.seed = seed
        self.completed = 0
        self.stopping = StopAgreement(group)

    def compare(self, facts: dict[str, Any]) -> None:
        """Compares facts, by name, that must be the same on all workers.

        Raises:
            WorkerMismatchError: They differ.
        """
        everyone = self.group.exchange("data", facts)
        problem = difference(self.group.cluster, dict(enumerate(everyone)))
        if problem:
            raise WorkerMismatchError(problem)


def alone(seed: int) -> Workers:
    """Returns a run of this process alone, without other workers."""
    return Workers(Group(Meeting(Cluster(("127.0.0.1:1",), 0))), seed)
