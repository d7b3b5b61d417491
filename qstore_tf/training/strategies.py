"""Whether a training runs in this process alone or on several workers."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from qstore_tf.distribute import multi_worker_strategy
from qstore_tf.training.config import TrainingConfig

_made: list[Any] = []  # at most one: a process joins one training


def strategy_of(config: TrainingConfig) -> Any:
    """Returns the strategy of a training; None: this process alone.

    "auto" is "multi_worker" where the environment describes workers. Within the scope of a
    strategy that one is used.

    Args:
        config: `distributed_strategy` and `seed` of it are read.

    Raises:
        ConfigurationError: TensorFlow has been used already, so that workers cannot meet.

    Example:
        >>> strategy_of(TrainingConfig(distributed_strategy="single")) is None
        True
    """
    if tf.distribute.has_strategy():
        return tf.distribute.get_strategy()
    if not config.has_workers():
        return None
    if not _made:
        _made.append(multi_worker_strategy(seed=config.seed))
    return _made[0]
