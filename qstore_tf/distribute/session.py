"""The state of this process in a training on several workers, in one object."""

from __future__ import annotations

import collections
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

    from qstore_tf.distribute.group import Group, Workers


@dataclass
class Session:
    """What a process has to remember from one call to the next.

    Attributes:
        workers: The run that `multi_worker_strategy` has joined; None before that.
        group: The group that this process leaves when it exits; None without other workers.
        excepthook: The `sys.excepthook` that ours replaced; None if ours is not installed.
        fixes_applied: Whether the fixes of Keras are in place.
        watching: Whether `fit` is being watched.
        running_fits: How many calls of `fit` are running.
        callbacks: The list of callbacks of the latest `fit`, as a weak reference.
        data: What the latest `fit` draws its batches from, as a weak reference.
        dataset_strategy: The strategy for which Keras makes a dataset at the moment.
        past_iterators: Iterators of past epochs. TensorFlow may crash when one is deleted that
            is still fetching (seen in 2.21), so they are kept a little longer.
    """

    workers: Workers | None = None
    group: Group | None = None
    excepthook: Callable[..., Any] | None = None
    fixes_applied: bool = False
    watching: bool = False
    running_fits: int = 0
    callbacks: weakref.ref[Any] | None = None
    data: weakref.ref[Any] | None = None
    dataset_strategy: tf.distribute.Strategy | None = None
    past_iterators: collections.deque[Any] = field(
        default_factory=lambda: collections.deque(maxlen=4)
    )


_session = Session()


def current_session() -> Session:
    """Returns the one session of this process."""
    return _session
