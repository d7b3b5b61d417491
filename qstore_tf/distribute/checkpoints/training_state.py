"""The whole state of a training as arrays and JSON: collected and restored."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from qstore_tf.distribute.checkpoints.files import Checkpoint
from qstore_tf.distribute.keras.patching import LEGACY
from qstore_tf.errors import ConfigurationError, describe

# What callbacks keep from one epoch to the next.
_ATTRIBUTES = {
    "AdaptiveShots": ("state",),
    "EarlyStopping": ("wait", "stopped_epoch", "best", "best_epoch"),
    "ReduceLROnPlateau": ("wait", "cooldown_counter", "best"),
    "ModelCheckpoint": ("best", "epochs_since_last_save", "_batches_seen_since_last_saving"),
    "TensorBoard": ("_global_train_batch", "_global_test_batch", "_train_step", "_val_step"),
    "History": ("epoch", "history"),
}


@dataclass(frozen=True)
class Position:
    """The progress of a training.

    Args:
        epoch: The current epoch, or the next one.
        executions: The number of calls of the train function completed in it.
        steps: The number of steps in these calls.
    """

    epoch: int
    executions: int
    steps: int


_NEVER = 2**31 - 1

START = Position(0, 0, 0)


def require_built(model: keras.Model) -> None:
    """Makes the optimizer's variables.

    Raises:
        ConfigurationError: The model has no variables yet.
    """
    if not model.built:
        raise ConfigurationError(
            describe(
                "The model is not built, so a checkpoint cannot be restored into it",
                expected="a model with variables before fit",
                received=model.name,
                hint="Start it with a keras.Input, or call it on a batch of data first",
            )
        )
    if not LEGACY and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    if LEGACY and hasattr(model.optimizer, "build"):
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)


def collect(
    model: keras.Model,
    position: Position,
    over: bool,
    callbacks: Iterable[keras.callbacks.Callback],
) -> tuple[int, dict[str, np.ndarray], dict[str, Any]]:
    """Reads the state of a training; all workers must call it at the same step.

    Returns:
        The optimizer's step, the arrays by name, and the rest as values for JSON.
    """
    arrays = {name: _read(variable) for name, variable in _variables(model).items()}
    attributes, best = {}, {}
    for name, callback in _named(callbacks):
        attributes[name] = _attributes(callback)
        weights = getattr(callback, "best_weights", None)
        if weights is not None:
            best[name] = len(weights)
            arrays |= {f"{name}/best/{i}": np.asarray(w) for i, w in enumerate(weights)}
    state = {
        "position": asdict(position),
        "over": over,
        "callbacks": attributes,
        "best_weights": best,
    }
    return int(_read(model.optimizer.iterations)), arrays, state


def restore(model: keras.Model, checkpoint: Checkpoint) -> tuple[Position, bool]:
    """Restores model and optimizer.

    Returns:
        The progress of the training, and whether a callback had ended it.

    Raises:
        ConfigurationError: The checkpoint is of a different model.
    """
    # Not the metrics, which tf_keras makes in the first step only.
    restored = ("model/", "optimizer/")
    variables = {name: v for name, v in _variables(model).items() if name.startswith(restored)}
    expected = {name: tuple(variable.shape) for name, variable in variables.items()}
    received = {name: a.shape for name, a in checkpoint.arrays.items() if name.startswith(restored)}
    if expected != received:
        different = sorted(
            name for name in {*expected, *received} if expected.get(name) != received.get(name)
        )
        name = different[0]
        raise ConfigurationError(
            describe(
                f"The checkpoint of step {checkpoint.step} is of a different model or optimizer: "
                f"{len(different)} variables differ",
                expected=f"{name} of shape {expected.get(name)}",
                received=received.get(name),
                hint="Start a new training in a new directory, or restore the previous model and "
                "optimizer",
            )
        )
    for name, variable in variables.items():
        variable.assign(checkpoint.arrays[name])
    return Position(**checkpoint.state["position"]), bool(checkpoint.state["over"])


def restore_metrics(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Restores the metrics of an interrupted epoch."""
    if checkpoint.state["position"]["executions"]:
        for name, variable in _variables(model).items():
            if name.startswith("metrics/") and name in checkpoint.arrays:
                variable.assign(checkpoint.arrays[name])


def restore_callbacks(
    checkpoint: Checkpoint, callbacks: Iterable[keras.callbacks.Callback]
) -> None:
    """Restores the attributes of callbacks."""
    for name, callback in _named(callbacks):
        for attribute, value in checkpoint.state["callbacks"].get(name, {}).items():
            setattr(callback, attribute, value)
        n_best = checkpoint.state["best_weights"].get(name)
        if n_best is not None:
            callback.best_weights = [checkpoint.arrays[f"{name}/best/{i}"] for i in range(n_best)]


def begin_at(model: keras.Model, position: Position | None, over: bool = False) -> None:
    """Makes the `fit` that is about to begin start at a position, or not train if `over`.

    With the first position, or None, the arguments of `fit` decide.
    """
    if over:
        position = Position(_NEVER, 0, 0)
    if position == START:
        position = None
    if LEGACY:
        model._training_state = None if position is None else _InitialCounters(position)
    else:
        model._initial_epoch = None if position is None else position.epoch


class _InitialCounters:
    """Tells tf_keras where to begin; Keras 3 takes the steps from the data."""

    def __init__(self, position: Position) -> None:
        self._position = position

    def maybe_load_initial_counters_from_ckpt(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        return self._position.epoch, self._position.steps


def _variables(model: keras.Model) -> dict[str, Any]:
    """Every variable of the training, by a name that is the same in the next process."""
    optimizer = model.optimizer.variables
    groups = {
        "metrics": [variable for metric in model.metrics for variable in metric.variables],
        "model": model.variables,
        "optimizer": optimizer() if callable(optimizer) else optimizer,
    }
    named: dict[str, Any] = {}
    seen: set[int] = set()
    for group, variables in groups.items():
        # tf_keras counts the metrics among the model's variables once they exist.
        own = [variable for variable in variables if id(variable) not in seen]
        named |= {f"{group}/{number}": variable for number, variable in enumerate(own)}
        seen |= {id(variable) for variable in own}
    return named


def _read(variable: Any) -> np.ndarray:
    return np.asarray(tf.convert_to_tensor(variable))


def _named(
    callbacks: Iterable[keras.callbacks.Callback],
) -> list[tuple[str, keras.callbacks.Callback]]:
    """Callbacks by class and number within the class."""
    seen: dict[str, int] = {}
    named = []
    for callback in callbacks:
        kind = type(callback).__name__
        number = seen[kind] = seen.get(kind, -1) + 1
        named.append((f"{kind}-{number}", callback))
    return named


def _attributes(callback: keras.callbacks.Callback) -> dict[str, Any]:
    kinds = {kind.__name__ for kind in type(callback).__mro__}
    return {
        attribute: _plain(getattr(callback, attribute))
        for kind, attributes in _ATTRIBUTES.items()
        if kind in kinds
        for attribute in attributes
        if _is_plain(getattr(callback, attribute, math))
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value.item() if isinstance(value, (np.generic, np.ndarray)) else value


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_plain(entry) for entry in value.values())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(entry) for entry in value)
    if isinstance(value, np.ndarray):
        return value.ndim == 0
    return value is None or isinstance(value, (bool, int, float, str, np.generic))
