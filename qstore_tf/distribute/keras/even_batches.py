"""Batches that divide evenly among the workers: two messages less in every step.

Where the last batch of an epoch may be smaller, workers have to tell each other in every step
whether they still have data, and how many samples. Arrays whose length is a multiple of the batch,
and batches that are a multiple of the replicas, need neither: all workers end at the same step with
the same shares. Then the shapes of the batches are made known to TensorFlow, and the question
whether there is data is not asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from qstore_tf.distribute.keras.fixes import spans_workers
from qstore_tf.distribute.keras.patching import LEGACY, replace

_strategy: tf.distribute.Strategy | None = None


def apply() -> None:
    """Has Keras 3 make datasets of known shapes out of arrays, where `under` says for whom."""
    if not LEGACY:
        from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

        replace(ArrayDataAdapter, "get_tf_dataset", _get_tf_dataset)


@contextlib.contextmanager
def under(strategy: tf.distribute.Strategy | None) -> Iterator[None]:
    """Names the strategy for which datasets are made within."""
    global _strategy
    _strategy = strategy
    try:
        yield
    finally:
        _strategy = None


def ask_nobody(data: Any) -> None:
    """Leaves out the question whether all workers have data, where all batches are even.

    Args:
        data: What Keras's `fit` draws its batches from.
    """
    # Several steps of one execution end by that question.
    if _divides(data.data_adapter, data._distribute_strategy) and data.steps_per_execution == 1:
        data._distributed_dataset._enable_get_next_as_optional = False


def _divides(adapter: Any, strategy: Any) -> bool:
    if strategy is None or not spans_workers(strategy) or not hasattr(adapter, "_num_samples"):
        return False
    return not (
        adapter._num_samples % adapter._batch_size
        or adapter._batch_size % strategy.num_replicas_in_sync
    )


def _get_tf_dataset(original: Callable[..., Any], self: Any) -> Any:
    dataset = original(self)
    specs = tf.nest.flatten(dataset.element_spec)
    if not _divides(self, _strategy) or not all(isinstance(s, tf.TensorSpec) for s in specs):
        return dataset

    def shaped(tensor: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tensor, [self._batch_size, *tensor.shape[1:]])

    return dataset.map(lambda *batch: tf.nest.map_structure(shaped, batch))
