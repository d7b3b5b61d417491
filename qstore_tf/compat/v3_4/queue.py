"""`AdaptiveQueueManager` of version 3.4: how many circuits a batch has, by the queue."""

from __future__ import annotations

import math

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.training.config_checks import number, whole


class AdaptiveQueueManager:
    """Chooses how many circuits to send at a time: more, the longer the queue is.

    Each job waits for itself, so that a long queue is better asked once. Today's backends send a
    batch as one job whatever the queue, which is what this comes to for long queues.

    Args:
        min_batch_size: Circuits where nobody waits.
        max_batch_size: Circuits where `full_queue` jobs wait, or more.
        full_queue: Jobs in a long queue.

    Raises:
        ConfigurationError: A number is out of range.

    Example:
        >>> queue = AdaptiveQueueManager(10, 50, full_queue=20)
        >>> [queue.get_batch_size(waiting) for waiting in (0, 10, 20, 90)]
        [10, 30, 50, 50]
    """

    def __init__(
        self, min_batch_size: int = 1, max_batch_size: int = 50, full_queue: int = 10
    ) -> None:
        for name, given in (
            ("min_batch_size", min_batch_size),
            ("max_batch_size", max_batch_size),
            ("full_queue", full_queue),
        ):
            whole(1, 10**9).check(name, given)
        if min_batch_size > max_batch_size:
            raise ConfigurationError(
                describe(
                    "min_batch_size is more than max_batch_size",
                    received=(min_batch_size, max_batch_size),
                )
            )
        self.min_batch_size, self.max_batch_size = min_batch_size, max_batch_size
        self.full_queue = full_queue

    def get_batch_size(self, queue_depth: float) -> int:
        """Returns the circuits of the next batch.

        Args:
            queue_depth: Jobs that wait.

        Raises:
            ConfigurationError: It is below 0.
        """
        number(0, math.inf).check("queue_depth", queue_depth)
        share = min(1.0, queue_depth / self.full_queue)
        return round(self.min_batch_size + share * (self.max_batch_size - self.min_batch_size))
