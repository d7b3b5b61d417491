"""Batches that divide evenly among the workers: two messages less in every step.

Where the last batch of an epoch may be smaller, the workers have to tell each other in every step
whether they still have data, and how many samples. Arrays whose length is a multiple of the batch
size, and batch sizes that are a multiple of the number of replicas, need neither: all workers end
at the same step with equal shares. For those, the shapes of the batches are declared to
TensorFlow, and the exchange on whether there is more data is left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from qstore_tf.distribute.keras.fixes import spans_workers
from qstore_tf.distribute.keras.patching import LEGACY, replace
from qstore_tf.distribute.session import current_session


def apply() -> None:
    """Makes Keras 3 build datasets of known shapes from arrays, within `datasets_for`."""
    if not LEGACY:
        from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

        replace(ArrayDataAdapter, "get_tf_dataset", _get_tf_dataset)


@contextlib.contextmanager
def datasets_for(strategy: tf.distribute.Strategy | None) -> Iterator[None]:
    """Sets the strategy for which datasets are made in the `with` block."""
    session = current_session()
    session.dataset_strategy = strategy
    try:
        yield
    finally:
        session.dataset_strategy = None


def skip_end_of_data_check(data: Any) -> None:
    """Leaves out the exchange on whether all workers have data, if all batches are even.

    Args:
        data: What Keras's `fit` draws its batches from.
    """
    # Several steps in one execution need the exchange to end.
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
    divides = _divides(self, current_session().dataset_strategy)
    if not divides or not all(isinstance(s, tf.TensorSpec) for s in specs):
        return dataset

    def shaped(tensor: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tensor, [self._batch_size, *tensor.shape[1:]])

    return dataset.map(lambda *batch: tf.nest.map_structure(shaped, batch))
