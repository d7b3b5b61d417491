"""Access to a running `fit`: its data and its callbacks, which Keras shows to no callback.

Keras makes them in `fit` before `on_train_begin`; both Keras 3 and tf_keras are patched where they
make them. What changes: `replay` makes the data begin where an earlier process stopped; of several
workers, only the chief keeps the callbacks of Keras 3 that write files.
"""

from __future__ import annotations

import inspect
import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.distribute.group import Workers, termination
from qstore_tf.distribute.keras import even_batches
from qstore_tf.distribute.keras.fixes import global_seed, local_spec, spans_workers
from qstore_tf.distribute.keras.patching import LEGACY, replace
from qstore_tf.distribute.session import current_session
from qstore_tf.errors import ConfigurationError, describe

# Callbacks of Keras that write files; several workers would write the same ones.
_WRITERS = ("ModelCheckpoint", "CSVLogger", "TensorBoard")


def watch() -> None:
    """Patches Keras so that `fit` can be watched; later calls do nothing."""
    session = current_session()
    if session.watching:
        return
    session.watching = True
    if LEGACY:
        from tf_keras.src.callbacks import CallbackList
        from tf_keras.src.engine.data_adapter import DataHandler as Data

        trainer: Any = keras.Model
    else:
        from keras.src.backend.tensorflow import trainer as module
        from keras.src.callbacks import CallbackList

        Data, trainer = module.TFEpochIterator, module.TensorFlowTrainer
    replace(trainer, "fit", _fit)
    even_batches.apply()
    replace(Data, "__init__", _init_data)
    replace(CallbackList, "on_train_begin", _on_train_begin)


def callbacks() -> list[keras.callbacks.Callback]:
    """Returns the callbacks of the latest `fit`, including those that Keras adds."""
    reference = current_session().callbacks
    found = None if reference is None else reference()
    return [] if found is None else list(found.callbacks)


def is_running() -> bool:
    """Returns whether a `fit` is running in this process."""
    return current_session().running_fits > 0


def build_metrics(model: keras.Model) -> None:
    """Makes the variables of Keras 3's metrics, which it otherwise makes in the first step."""
    data = _latest_data()
    if data is None or LEGACY:
        return
    specs = tf.nest.map_structure(local_spec, data._distributed_dataset.element_spec)
    with model.distribute_strategy.scope():
        model._symbolic_build(data_batch=specs)


def replay(epochs: int, executions: int) -> None:
    """Moves the data of the latest `fit` to where an earlier process stopped.

    Iterators are made, and batches drawn, as in the epochs before, so that shuffles continue as
    they would have. Of a past epoch only the first batch is drawn if each epoch starts the data
    anew, and all batches if the epochs share one stream (`steps_per_epoch`).

    Args:
        epochs: The number of completed epochs.
        executions: The number of calls of the train function in the epoch that follows.
    """
    data = _latest_data()
    if data is None:
        return
    (_replay_legacy if LEGACY else _replay)(data, epochs, executions)


def _latest_data() -> Any:
    reference = current_session().data
    return None if reference is None else reference()


def _workers_of(strategy: tf.distribute.Strategy | None) -> Workers | None:
    """The workers that a strategy trains on; None for a single process."""
    workers = current_session().workers
    return workers if strategy is not None and spans_workers(strategy) else None


def _compare(workers: Workers, facts: dict[str, Any]) -> None:
    workers.compare({**facts, "the seed": global_seed()})


def _init_data(original: Callable[..., None], self: Any, *args: Any, **kwargs: Any) -> None:
    with even_batches.datasets_for(kwargs.get("distribute_strategy")):
        original(self, *args, **kwargs)
    current_session().data = weakref.ref(self)
    if not LEGACY:
        even_batches.skip_end_of_data_check(self)
    strategy = tf.distribute.get_strategy() if LEGACY else kwargs.get("distribute_strategy")
    workers = _workers_of(strategy)
    if workers is not None:
        _compare(workers, _facts(self, kwargs.get("steps_per_epoch")))


def _on_train_begin(original: Callable[..., None], self: Any, *args: Any, **kwargs: Any) -> None:
    current_session().callbacks = weakref.ref(self)
    # FaultTolerance first: it saves what others change when an epoch begins.
    self.callbacks.sort(key=lambda callback: not hasattr(callback, "on_train_begun"))
    strategy = getattr(getattr(self, "model", None), "distribute_strategy", None)
    workers = _workers_of(strategy)
    if workers is not None:
        _require_synchronized(self.model)
        # tf_keras's own callbacks write on the chief only; saving needs all workers there.
        if not workers.group.cluster.is_chief and not LEGACY:
            self.callbacks = [callback for callback in self.callbacks if not _writes(callback)]
    original(self, *args, **kwargs)
    for callback in self.callbacks:
        if hasattr(callback, "on_train_begun"):
            callback.on_train_begun()


def _fit(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
    session, workers = current_session(), _workers_of(self.distribute_strategy)
    if workers is not None:
        given = inspect.signature(original).bind(self, *args, **kwargs)
        given.apply_defaults()
        options = {
            name: None if given.arguments[name] is None else int(given.arguments[name])
            for name in ("epochs", "initial_epoch", "batch_size")
        }
        _compare(workers, {"the call": "fit", **options})
    session.running_fits += 1
    try:
        return original(self, *args, **kwargs)
    except SystemExit as error:
        # The others would wait in the next step for this worker.
        termination.leave_group(error)
        raise
    finally:
        session.running_fits -= 1


def _writes(callback: Any) -> bool:
    return any(kind.__name__ in _WRITERS for kind in type(callback).__mro__)


def _require_synchronized(model: Any) -> None:
    """Raises an error for layers whose state would differ among the workers."""
    for layer in () if LEGACY else model._flatten_layers():
        if getattr(layer, "synchronized", True) is False:
            raise ConfigurationError(
                describe(
                    f"Layer '{layer.name}' normalizes each worker's share of a batch by itself",
                    expected="batch statistics of the whole batch, on all workers",
                    received="synchronized=False",
                    hint="Use keras.layers.BatchNormalization(synchronized=True)",
                )
            )


def _facts(data: Any, steps_per_epoch: int | None) -> dict[str, Any]:
    """What must be the same on all workers; None if it may differ or is not known."""
    adapter = data._adapter if LEGACY else data.data_adapter
    dataset = getattr(adapter, "_dataset", None)
    samples = getattr(adapter, "_num_samples", None)
    batches = data._inferred_steps if LEGACY else data.num_batches
    if isinstance(dataset, tf.data.Dataset):
        policy = dataset.options().experimental_distribute.auto_shard_policy
        # Every worker has data of its own.
        if policy == tf.data.experimental.AutoShardPolicy.OFF:
            batches = None
    elif isinstance(dataset, tf.distribute.DistributedDataset):
        batches = None
    return {
        "the call": "fit, evaluate or predict with its data",
        "the number of samples": None if samples is None else int(samples),
        "the number of batches": None if batches is None else int(batches),
        "steps_per_epoch": None if steps_per_epoch is None else int(steps_per_epoch),
    }


def _replay(data: Any, epochs: int, executions: int) -> None:
    """The same loops as in Keras 3's `fit`, without the train function."""
    # If the number of batches is not known beforehand, an epoch ends by drawing one too many.
    draw_all = data.steps_per_epoch is not None or data.data_adapter.num_batches is None
    for _ in range(epochs):
        with data.catch_stop_iteration():
            for number, (_, _, iterator) in enumerate(data):
                if number == 0:
                    current_session().past_iterators.append(iterator)
                if draw_all and not _draw(iterator, data.steps_per_execution):
                    raise StopIteration  # as the train function does
                if number == 0 and not draw_all:
                    _draw(iterator, 1)
    if not executions:
        return
    steps = data._enumerate_iterator

    def remaining_steps() -> Iterator[Any]:
        del data._enumerate_iterator  # later epochs start at their beginning
        for number, step in enumerate(steps()):
            if number < executions:
                _draw(step[2], data.steps_per_execution)
            else:
                yield step

    data._enumerate_iterator = remaining_steps


def _replay_legacy(data: Any, epochs: int, executions: int) -> None:
    steps_per_execution = int(data._steps_per_execution.numpy())
    new_iterators = data._adapter.should_recreate_iterator()
    if new_iterators:
        past_iterators = current_session().past_iterators
        for _ in range(epochs):
            past_iterators.append(iter(data._dataset))
            _draw(past_iterators[-1], 1)
    past_batches = 0 if new_iterators else epochs * (data._inferred_steps or 0)
    enumerate_epochs = data.enumerate_epochs

    def remaining_epochs() -> Iterator[Any]:
        for number, (epoch, iterator) in enumerate(enumerate_epochs()):
            if number == 0:
                _draw(iterator, executions * steps_per_execution + past_batches)
            yield epoch, iterator

    data.enumerate_epochs = remaining_epochs


def _draw(iterator: Any, batches: int) -> int:
    """Draws batches, fewer if the data ends, and returns how many."""
    return sum(1 for _ in itertools.islice(iterator, batches))
