"""What a running `fit` works on, its data and its callbacks, which Keras shows to no callback.

Keras makes them in `fit` before `on_train_begin`. Both Keras 3 and tf_keras are looked at where
they make them. What changes: `replay` has the data begin where an earlier process stopped; of
several workers, only the chief keeps Keras 3's callbacks that write files.
"""

from __future__ import annotations

import collections
import inspect
import itertools
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.distribute.keras import even_batches
from qstore_tf.distribute.keras.fixes import local_spec, spans_workers
from qstore_tf.distribute.keras.patching import LEGACY, replace
from qstore_tf.errors import ConfigurationError, describe

# Callbacks of Keras that write files; several workers would write the same ones.
_WRITERS = ("ModelCheckpoint", "CSVLogger", "TensorBoard")


@dataclass(frozen=True)
class Several:
    """What is done for a run of several workers.

    Args:
        compare: Called with what can be told of the data whenever it was made for all workers.
        is_chief: Whether this worker is the one that writes.
        abandon: Called when `fit` is left by `sys.exit`.
    """

    compare: Callable[[dict[str, Any]], None]
    is_chief: bool
    abandon: Callable[[SystemExit], None]


_watching = False
_several: Several | None = None
_running = 0
_callbacks: Any = None
_data: Any = None

# TensorFlow may crash when an iterator goes that still fetches (seen in 2.21): those of past
# epochs stay a little longer.
_parked: collections.deque[Any] = collections.deque(maxlen=4)


def watch(several: Several | None = None) -> None:
    """Begins to look; later calls only say what several workers need."""
    global _watching, _several
    _several = several or _several
    if _watching:
        return
    _watching = True
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
    replace(Data, "__init__", _made_data)
    replace(CallbackList, "on_train_begin", _begins)


def callbacks() -> list[keras.callbacks.Callback]:
    """The callbacks of the `fit` that began last, those that Keras adds too."""
    found = None if _callbacks is None else _callbacks()
    return [] if found is None else list(found.callbacks)


def is_running() -> bool:
    """Whether a `fit` is under way in this process."""
    return _running > 0


def build_metrics(model: keras.Model) -> None:
    """Makes the variables of Keras 3's metrics, which it leaves to the first step otherwise."""
    data = None if _data is None else _data()
    if data is None or LEGACY:
        return
    specs = tf.nest.map_structure(local_spec, data._distributed_dataset.element_spec)
    with model.distribute_strategy.scope():
        model._symbolic_build(data_batch=specs)


def replay(epochs: int, executions: int) -> None:
    """Brings the data of the `fit` that began last to where an earlier process stopped.

    Iterators are made, and batches drawn, as in the epochs before, so that shuffles go on as they
    would have; of a past epoch, only the first batch is drawn where each epoch begins anew, and
    all are where the epochs share one stream (`steps_per_epoch`).

    Args:
        epochs: How many epochs are over.
        executions: How many calls of the train function are over in the epoch that follows.
    """
    data = None if _data is None else _data()
    if data is None:
        return
    (_replay_legacy if LEGACY else _replay)(data, epochs, executions)


def _made_data(original: Callable[..., None], self: Any, *args: Any, **kwargs: Any) -> None:
    global _data
    with even_batches.under(kwargs.get("distribute_strategy")):
        original(self, *args, **kwargs)
    _data = weakref.ref(self)
    if not LEGACY:
        even_batches.ask_nobody(self)
    strategy = tf.distribute.get_strategy() if LEGACY else kwargs.get("distribute_strategy")
    if _several is not None and strategy is not None and spans_workers(strategy):
        _several.compare(_facts(self, kwargs.get("steps_per_epoch")))


def _begins(original: Callable[..., None], self: Any, *args: Any, **kwargs: Any) -> None:
    global _callbacks
    _callbacks = weakref.ref(self)
    # It saves what others change when an epoch begins, so it must come before them.
    self.callbacks.sort(key=lambda callback: not hasattr(callback, "on_train_begun"))
    if _several is not None and spans_workers(self.model.distribute_strategy):
        _require_one_model(self.model)
        # In tf_keras these take care themselves; saving needs all workers there.
        if not _several.is_chief and not LEGACY:
            self.callbacks = [callback for callback in self.callbacks if not _writes(callback)]
    original(self, *args, **kwargs)
    for callback in self.callbacks:
        if hasattr(callback, "on_train_begun"):
            callback.on_train_begun()


def _fit(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
    global _running
    if _several is not None and spans_workers(self.distribute_strategy):
        given = inspect.signature(original).bind(self, *args, **kwargs)
        given.apply_defaults()
        asked = {
            name: None if given.arguments[name] is None else int(given.arguments[name])
            for name in ("epochs", "initial_epoch", "batch_size")
        }
        _several.compare({"the call": "fit", **asked})
    _running += 1
    try:
        return original(self, *args, **kwargs)
    except SystemExit as error:
        # The others wait in the next step for a worker that will not come.
        if _several is not None:
            _several.abandon(error)
        raise
    finally:
        _running -= 1


def _writes(callback: Any) -> bool:
    return any(kind.__name__ in _WRITERS for kind in type(callback).__mro__)


def _require_one_model(model: Any) -> None:
    """Refuses layers whose state would differ among the workers."""
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
    """What must be the same on all workers; None where it may differ or is not known."""
    adapter = data._adapter if LEGACY else data.data_adapter
    dataset = getattr(adapter, "_dataset", None)
    samples = getattr(adapter, "_num_samples", None)
    batches = data._inferred_steps if LEGACY else data.num_batches
    if isinstance(dataset, tf.data.Dataset):
        policy = dataset.options().experimental_distribute.auto_shard_policy
        # Every worker brings data of its own.
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
    """The same loops as in Keras 3's `fit`, with the train function left out."""
    together = data.steps_per_epoch is not None
    # Where the number of batches is not known beforehand, an epoch ends by drawing one too many.
    draw_all = together or data.data_adapter.num_batches is None
    for _ in range(epochs):
        with data.catch_stop_iteration():
            for number, (_, _, iterator) in enumerate(data):
                if number == 0:
                    _parked.append(iterator)
                if draw_all and not _draw(iterator, data.steps_per_execution):
                    raise StopIteration  # as the train function does
                if number == 0 and not draw_all:
                    _draw(iterator, 1)
    if not executions:
        return
    steps = data._enumerate_iterator

    def rest() -> Iterator[Any]:
        del data._enumerate_iterator  # the epochs after this one begin at their beginning
        for number, step in enumerate(steps()):
            if number < executions:
                _draw(step[2], data.steps_per_execution)
            else:
                yield step

    data._enumerate_iterator = rest


def _replay_legacy(data: Any, epochs: int, executions: int) -> None:
    per_execution = int(data._steps_per_execution.numpy())
    anew = data._adapter.should_recreate_iterator()
    if anew:
        for _ in range(epochs):
            _parked.append(iter(data._dataset))
            _draw(_parked[-1], 1)
    over = epochs * (data._inferred_steps or 0)
    enumerate_epochs = data.enumerate_epochs

    def rest() -> Iterator[Any]:
        for number, (epoch, iterator) in enumerate(enumerate_epochs()):
            if number == 0:
                _draw(iterator, executions * per_execution + (0 if anew else over))
            yield epoch, iterator

    data.enumerate_epochs = rest


def _draw(iterator: Any, batches: int) -> int:
    """Draws batches, fewer where the data ends, and returns how many."""
    return sum(1 for _ in itertools.islice(iterator, batches))
