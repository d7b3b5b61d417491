"""What the optimizers share: which weights are angles, and the optimizer for all others."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.gradients.options import at_least_zero
from qstore_tf.layers.inspection import holds_angles


class QuantumOptimizer(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Base of the optimizers: moves angles by itself and leaves the rest to `classical`.

    Options of Keras optimizers, such as `clipnorm`, `weight_decay` and `use_ema`, and
    `learning_rate`, hold for the weights that it moves by itself.
    """

    def __init__(
        self,
        learning_rate: Any,
        classical: Any = None,
        seed: int = 0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Keeps the optimizer for the weights that are not angles."""
        if not hasattr(keras, "KerasTensor"):
            raise ConfigurationError(
                describe(
                    f"{type(self).__name__} is an optimizer of Keras 3",
                    expected="Keras 3",
                    received="tf_keras",
                    hint="Unset TF_USE_LEGACY_KERAS, or train with an optimizer of tf_keras such "
                    "as Adam, which needs nothing from qstore_tf",
                )
            )
        if isinstance(learning_rate, int) and not isinstance(learning_rate, bool):
            learning_rate = at_least_zero("learning_rate", learning_rate)
        super().__init__(learning_rate, name=name, **kwargs)
        self.classical: Any = None if classical is None else keras.optimizers.get(classical)
        if isinstance(self.classical, QuantumOptimizer):
            raise ConfigurationError(
                describe(
                    "`classical` moves the weights that are not angles of a circuit",
                    expected="an optimizer of Keras, such as 'adam'",
                    received=type(self.classical).__name__,
                )
            )
        if isinstance(seed, bool) or not hasattr(seed, "__index__"):
            raise ConfigurationError(
                describe("`seed` must be an integer", expected="an integer", received=seed)
            )
        self.seed = int(operator.index(seed))
        if not -(2**63) <= self.seed < 2**63:
            raise ConfigurationError(
                describe(
                    "`seed` is too large", expected="an integer of 64 bits", received=self.seed
                )
            )

    def build(self, variables: Any) -> None:
        """Creates the weights of the optimizer.

        Raises:
            ConfigurationError: there are no angles of a quantum layer among the weights.
        """
        if self.built:
            return
        angles = [v for v in variables if holds_angles(v)]
        if not angles:
            raise ConfigurationError(
                describe(
                    f"{type(self).__name__} found no trained angles of a quantum layer",
                    expected="a model with a QuantumLayer that is trainable",
                    received=[weight_name(v) for v in variables],
                    hint="Compile with an optimizer of Keras, such as 'adam'",
                )
            )
        others = [v for v in variables if not holds_angles(v)]
        self._untracked = _Weights(angles, others, list(variables))
        super().build(angles if self.classical is not None else list(variables))
        if self.classical is not None and others:
            self.classical.build(others)
        self.build_more(angles)

    def build_more(self, angles: list[Any]) -> None:
        """Creates further weights of the optimizer; called once, at the end of `build`."""

    @property
    def angles(self) -> list[Any]:
        """The weights that hold angles of circuits."""
        return self._untracked.angles

    @property
    def variables(self) -> list[Any]:
        """The weights of this optimizer and of the classical one."""
        own = super().variables
        return own if self.classical is None else [*own, *self.classical.variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Takes a step against the gradient, preconditioned by now."""
        rate = tf.cast(learning_rate, variable.dtype)
        self.assign_sub(variable, rate * tf.cast(gradient, variable.dtype))

    def finalize_variable_values(self, var_list: Any) -> None:
        """Called by Keras at the end of training."""
        if self.classical is None:
            super().finalize_variable_values(var_list)
            return
        known = {id(v) for v in self.angles}
        super().finalize_variable_values([v for v in var_list if id(v) in known])
        others = [v for v in var_list if id(v) not in known]
        if others:
            self.classical.finalize_variable_values(others)

    def fresh_seed(self) -> tf.Tensor:
        """Returns the seed of this step, int64 [2]."""
        first = tf.constant([self.seed, 0], tf.int64)
        step = tf.cast(tf.convert_to_tensor(self._iterations), tf.int64)
        return tf.random.experimental.stateless_fold_in(first, step, alg="philox")

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        classical = self.classical
        return {
            **super().get_config(),
            "classical": None if classical is None else keras.optimizers.serialize(classical),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes an optimizer from its configuration."""
        config = dict(config)
        if isinstance(config.get("classical"), dict):
            config["classical"] = keras.optimizers.deserialize(
                config["classical"], custom_objects=custom_objects
            )
        return super().from_config(config, custom_objects=custom_objects)


class _Weights:
    """Weights of the model, in an object that Keras does not track as the optimizer's own."""

    def __init__(self, angles: list[Any], others: list[Any], both: list[Any]) -> None:
        self.angles, self.others, self.all = angles, others, both


def split(pairs: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    """Returns the pairs (gradient, weight) of angles and those of all other weights."""
    angles = [pair for pair in pairs if holds_angles(pair[1])]
    return angles, [pair for pair in pairs if not holds_angles(pair[1])]


def weight_name(weight: Any) -> str:
    """Returns what messages call a weight: its path where it has one."""
    return str(getattr(weight, "path", weight.name))
