"""This process's copies of a model's variables, and a model that computes with them.

Under a strategy the variables are mirrored. Reading some of them, and calling the model, may run
a collective operation, and would wait forever for workers that do not take part. Everything
here uses the copy that is in this process, and leaves the variables as they are: the counters
that shots are seeded from do not advance, moving averages stay.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import tensorflow as tf
from tensorflow import keras

from qstore_tf.layers.inspection import IS_KERAS_3

_Result = TypeVar("_Result")


def writes(model: Any) -> bool:
    """Whether this process is the one that writes: the chief, or the only one."""
    return bool(model.distribute_strategy.extended.should_checkpoint)


def value(variable: Any) -> tf.Tensor:
    """The value of a variable in this process."""
    held = variable.value if IS_KERAS_3 and hasattr(variable, "path") else variable
    copies = getattr(held, "values", None)  # of a distributed variable, those in this process
    return tf.identity(copies[0] if isinstance(copies, tuple | list) else held)


def steps_taken(model: Any) -> int:
    """How many steps the optimizer has taken."""
    optimizer = getattr(model, "optimizer", None)
    return 0 if optimizer is None else int(value(optimizer.iterations).numpy())


def steps_per_execution(model: Any) -> int:
    """How many steps Keras runs between its calls of callbacks; tf_keras has it in a variable."""
    steps = model.steps_per_execution
    return 1 if steps is None else int(steps if isinstance(steps, int) else value(steps).numpy())


def in_own_thread(compute: Callable[[], _Result]) -> _Result:
    """Runs a function in a thread of its own and returns what it returns.

    That thread is in no strategy's scope, and the layers' notes for natural gradients, which are
    kept for each thread, do not change.
    """
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(compute())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="qstore-probe")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


class LocalModel:
    """A model on this process's copies of its variables.

    Args:
        model: a built and compiled Keras model. tf_keras has no calls without side effects, so
            that a clone is made there, which must be possible.

    Raises:
        ValueError: under tf_keras, of a subclassed model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._clone = None if IS_KERAS_3 else _clone(model)

    @contextmanager
    def copied(self, weights: list[Any]) -> Iterator[tuple[Any, list[Any]]]:
        """Gives the model to call and what to differentiate by in place of `weights`."""
        if self._clone is None:
            model = self._model
            held = [
                *model.trainable_variables, *model.non_trainable_variables, *model.metrics_variables
            ]  # fmt: skip
            values = {id(variable): value(variable) for variable in held}
            pairs = [(variable, values[id(variable)]) for variable in held]
            with keras.StatelessScope(state_mapping=pairs):
                yield model, [values[id(weight)] for weight in weights]
            return
        clone = self._clone
        copies = dict(zip(map(id, self._model.weights), clone.weights, strict=True))
        for own, copy in zip(self._model.weights, clone.weights, strict=True):
            copy.assign(value(own))
        yield clone, [copies[id(weight)] for weight in weights]


def _clone(model: Any) -> Any:
    clone = keras.models.clone_model(model)
    if not clone.built:
        clone.build(model.input_shape)
    if model.loss is not None:
        clone.compile(loss=model.loss)
    return clone
