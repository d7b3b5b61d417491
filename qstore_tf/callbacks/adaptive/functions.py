"""The functions of a model's steps, one for each combination of settings of its layers.

Keras traces a function of the training step once and calls it for every batch. What a layer runs
with is fixed when that happens. So each combination of settings has a function of its own, which is
kept: a change back traces nothing.

The settings hold inside the step alone (`switched`), so that whatever else is done with the model,
in the midst of training or after a training that ended in an exception, finds its layers as they
were made. A `fit` or `evaluate` that begins starts from the layers as they were made, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import tensorflow as tf

from qstore_tf.layers import QuantumLayer
from qstore_tf.layers.inspection import Setting, active_depth, depth_of, switched

_BOARD = "_qstore_switchboard"
# What surrounds a step while it is traced; it gets the batch.
Around = Callable[[Any], AbstractContextManager[None]]


class Switchboard:
    """Switches the layers of one model in its training and test steps.

    Attributes:
        train: The training step.
        test: The test step.
    """

    def __init__(self, model: Any) -> None:
        self.train = Step(model, "train")
        self.test = Step(model, "test")

    @classmethod
    def of(cls, model: Any) -> Switchboard:
        """Returns the one of a model, which is made where there is none."""
        found = getattr(model, _BOARD, None)
        if not isinstance(found, cls):
            found = cls(model)
            setattr(model, _BOARD, found)
        return found


class Step:
    """One kind of step of a model: "train" or "test".

    Attributes:
        settings: What layers run with in the step; others run as they were made.
        around: What surrounds the step while it is traced, by name.
    """

    def __init__(self, model: Any, kind: str) -> None:
        self.settings: dict[Any, Setting] = {}
        self.around: dict[str, Around] = {}
        self._model, self._name = model, f"{kind}_function"
        # With what they are told apart by, whose addresses nothing else can have meanwhile.
        self._functions: dict[Any, tuple[Any, dict[Any, Setting], dict[str, Around]]] = {}
        self._key: Any = None
        self._make = getattr(model, f"make_{self._name}")
        inner = getattr(model, f"{kind}_step")

        @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
        def step(data: Any) -> Any:
            with ExitStack() as stack:
                stack.enter_context(switched(self.settings))
                for layer in self.settings:
                    if isinstance(layer, QuantumLayer):
                        stack.enter_context(resting_angles_kept(layer))
                for around in self.around.values():
                    stack.enter_context(around(data))
                return inner(data)

        def make(*args: Any, **kwargs: Any) -> Any:
            # Keras begins a fit or an evaluation.
            self.settings, self.around = {}, {}
            self._take()
            made = self._make(*args, **kwargs)
            self._keep()
            return made

        setattr(model, f"{kind}_step", step)
        setattr(model, f"make_{self._name}", make)
        setattr(model, self._name, None)  # one that was traced before knows nothing of this

    @property
    def n_functions(self) -> int:
        """How many combinations of settings have a function."""
        return len(self._functions)

    def switch(self, layer: Any, setting: Setting) -> None:
        """Gives a layer a setting; what the setting leaves open stays."""
        self.settings[layer] = setting.over(self.settings.get(layer, Setting()))

    def apply(self) -> None:
        """Makes the next step run with the settings."""
        self._take()
        if getattr(self._model, self._name) is None:
            self._make()
            self._keep()

    def _take(self) -> None:
        """Gives the model the function of the present settings; None where there is none yet."""
        held = getattr(self._model, self._name)
        if held is None or held is not self._known():
            self._functions.clear()  # compiled anew, or a step that something else has changed
        settings = sorted(
            ((id(layer), s.key) for layer, s in self.settings.items() if s != Setting()),
            key=lambda pair: pair[0],
        )
        around = sorted((name, id(getattr(f, "__self__", f))) for name, f in self.around.items())
        self._key = tuple(settings), tuple(around)
        setattr(self._model, self._name, self._known())

    def _known(self) -> Any:
        return self._functions.get(self._key, (None,))[0]

    def _keep(self) -> None:
        function = getattr(self._model, self._name)
        self._functions[self._key] = function, dict(self.settings), dict(self.around)


def running_layers(model: Any) -> list[Any]:
    """The layers of a model that run circuits, nested ones too, each once."""
    found = {id(part): part for part in model._flatten_layers() if hasattr(part, "run_options")}
    return list(found.values())


@contextmanager
def resting_angles_kept(layer: QuantumLayer) -> Iterator[None]:
    """Puts the angles of layers that do not run back to where they were before the step.

    Their gradient is zero, but momentum, weight decay and regularizers move angles without one.
    """
    if active_depth(layer) == depth_of(layer) or layer.theta is None:
        yield
        return
    count = len(layer.circuit_options.evolution(layer.n_qubits, active_depth(layer)).theta)
    before = tf.identity(tf.convert_to_tensor(layer.theta))[count:]
    yield
    after = tf.convert_to_tensor(layer.theta)[:count]
    assign(layer.theta, tf.concat([after, before], axis=0))


def assign(weight: Any, value: tf.Tensor) -> None:
    """Assigns to a weight in a step, in every replica of a strategy."""
    variable = getattr(weight, "value", weight) if hasattr(weight, "path") else weight
    replica = tf.distribute.get_replica_context()
    if replica is None or not tf.distribute.has_strategy():
        weight.assign(value)
        return

    def everywhere(strategy: tf.distribute.Strategy, value: Any) -> None:
        strategy.extended.update(variable, lambda own, new: own.assign(new), (value,), group=False)

    tf.__internal__.distribute.interim.maybe_merge_call(
        everywhere, tf.distribute.get_strategy(), value
    )
