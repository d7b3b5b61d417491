"""What the quantum layers share: precision, inputs, seeds, versioned configurations."""

from __future__ import annotations

import random
from typing import Any, ClassVar, NoReturn

import numpy as np
import tensorflow as tf
from tensorflow import keras

from qstore_tf import execution
from qstore_tf.errors import ConfigurationError, InputError, describe
from qstore_tf.layers.keras_version import IS_KERAS_3
from qstore_tf.layers.run_options import RunOptions, check_exportable
from qstore_tf.layers.seeds import Seeds, of_this_replica
from qstore_tf.layers.shapes import is_complex
from qstore_tf.layers.switching import Switches, setting_of


class QuantumBase(keras.layers.Layer):  # type: ignore[misc]
    """Base of the quantum layers.

    Quantum parts compute in float32, in float64 under a float64 policy, and never in less:
    under mixed precision only the expectations that leave the layer are cast down.

    Layers that draw something hold one weight that is not trained, `[seed, calls]`: every call
    draws new samples, the same seed gives the same calls, and a loaded model continues where it
    was saved.
    """

    # Raised whenever an older release could not read what this one writes.
    CONFIG_VERSION: ClassVar[int] = 1
    # Whether shots are for expectation values here, and may change.
    takes_shots: ClassVar[bool] = True

    def __init__(self, *, run_options: RunOptions, seed: int | None = None, **kwargs: Any) -> None:
        """Keeps how the layer runs its circuits."""
        self._check_seed(seed)
        # Keras would cast features to float16 under mixed precision.
        super().__init__(autocast=False, **kwargs)
        if not tf.as_dtype(self.compute_dtype).is_floating:
            raise ConfigurationError(
                describe(
                    f"Layer '{self.name}' cannot compute in {self.compute_dtype}",
                    expected="dtype='float32', 'float64' or a mixed precision policy",
                    received=self.compute_dtype,
                    hint="Leave dtype out for float32. Inputs may be integers or complex anyway",
                )
            )
        execution.check_dtype(run_options.resolved, self.real_dtype)
        self.switches = Switches(run_options)
        self.supports_jit = run_options.supports_xla
        self.seed = None if seed is None else int(seed)
        # As the layers of Keras: from Python's generator, which keras.utils.set_random_seed sets.
        self._first_seed = random.randrange(2**31) if seed is None else self.seed
        self._drawn: Any = None

    @property
    def run_options(self) -> RunOptions:
        """Backend, gradient method and shots of the layer, as read from its arguments.

        Or as they are now, where `qstore_tf.layers.switching` has changed them.
        """
        return self.switches.options(setting_of(self))

    @property
    def _run_options(self) -> RunOptions:
        return self.run_options

    @property
    def _made_with(self) -> RunOptions:
        """What the layer was made with, which its configuration has."""
        return self.switches.made_with

    @property
    def takes_backend(self) -> bool:
        """Whether the layer has a backend of its own, rather than that of preceding layers."""
        return True

    @property
    def real_dtype(self) -> tf.DType:
        """The precision of angles, theta and expectations inside the layer."""
        return tf.float64 if self.compute_dtype == "float64" else tf.float32

    @property
    def complex_dtype(self) -> tf.DType:
        """The precision of state vectors."""
        return tf.complex128 if self.compute_dtype == "float64" else tf.complex64

    @property
    def _is_random(self) -> bool:
        """Whether a call draws something."""
        return self._made_with.is_random

    @staticmethod
    def _check_seed(seed: Any) -> None:
        integer = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
        if seed is None or (integer and -(2**63) <= seed < 2**63):
            return
        raise ConfigurationError(
            describe(
                "`seed` must be an integer",
                expected="an integer of 64 bits, or None for a new seed in each layer",
                received=seed,
            )
        )

    def build(self, input_shape: Any) -> None:
        """Creates the weight that counts calls, where calls draw something."""
        if self._is_random:
            legacy = tf.VariableAggregation.ONLY_FIRST_REPLICA
            self._drawn = self.add_weight(
                name="seed_and_calls",
                shape=(2,),
                initializer=lambda shape, dtype=None: self.first_draw(),
                dtype="int64",
                trainable=False,
                aggregation="only_first_replica" if IS_KERAS_3 else legacy,
            )
        super().build(input_shape)

    def first_draw(self) -> tf.Tensor:
        """What the weight that counts calls begins with."""
        return tf.constant([self._first_seed, 0], tf.int64)

    def _seeds(self) -> Seeds | None:
        """The seeds of this call, which is counted; None for layers that draw nothing."""
        drawn = self._drawn
        if drawn is None and self._run_options.is_random:
            drawn = self.switches.counter
        if drawn is None:
            return None
        now = tf.identity(tf.convert_to_tensor(drawn))
        drawn.assign(now + tf.constant([0, 1], tf.int64))
        return Seeds(of_this_replica(now))

    # AutoGraph would translate this to graph code, which nothing here needs.
    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Takes NumPy arrays and lists, as Keras does, in the precision of the layer."""
        inputs = self._one_tensor(inputs)
        self._note_input(is_complex(inputs))
        return super().__call__(inputs, *args, **kwargs)

    def _one_tensor(self, inputs: Any) -> Any:
        """Arrays and lists in the precision of the layer; tensors as they are."""
        if isinstance(inputs, tf.RaggedTensor | tf.SparseTensor | dict):
            self._refuse(inputs)
        if isinstance(inputs, list | tuple):
            if any(hasattr(item, "_keras_history") for item in inputs):
                self._refuse(inputs)
            if any(map(tf.is_tensor, inputs)):
                return tf.stack(inputs)
        elif not isinstance(inputs, np.ndarray | np.generic | int | float | complex):
            return inputs
        try:
            array = np.asarray(inputs)
        except ValueError:
            self._refuse(inputs)
        if array.dtype.kind == "f":
            return tf.convert_to_tensor(array, self.real_dtype)
        if array.dtype.kind == "c":
            return tf.convert_to_tensor(array, self.complex_dtype)
        return array

    def _refuse(self, inputs: Any) -> NoReturn:
        raise InputError(
            describe(
                f"Layer '{self.name}' takes one dense tensor",
                expected="a tensor or an array [batch, width]",
                received=type(inputs).__name__,
                hint="Join several inputs with keras.layers.Concatenate(); make sparse and ragged "
                "ones dense, every row of one length",
            )
        )

    def _note_input(self, is_state: bool) -> None:  # noqa: B027
        """Called before the layer is built, with whether its input is a state."""

    def _check_dtype(self, dtype: Any, *, real: bool = False) -> None:
        """Raises InputError for what the layer does not compute with.

        A float64 tensor in a float32 layer is most often a mistake, so it is an error here,
        where other Keras layers cast. NumPy arrays and lists are float64 by default and are
        cast; tf_keras passes every array on as a tensor, so there tensors are cast too.
        """
        found = tf.as_dtype(dtype)
        wide = found in (tf.float64, tf.complex128) and self.real_dtype == tf.float32
        if wide and (IS_KERAS_3 or found.is_complex):
            raise InputError(
                describe(
                    f"Layer '{self.name}' computes in float32 but was fed {found.name}",
                    expected="complex64" if found.is_complex else "float32",
                    received=found.name,
                    hint="Cast the input, as in tf.cast(x, tf.float32), or create the layer with "
                    "dtype='float64'",
                )
            )
        numeric = found.is_floating or found.is_integer or found.is_bool or found.is_complex
        if not numeric or (real and found.is_complex):
            raise InputError(
                describe(
                    f"Layer '{self.name}' was fed a dtype that it does not compute with",
                    expected="real numbers" if real else "real or complex numbers",
                    received=found.name,
                )
            )

    def _features(self, features: tf.Tensor) -> tf.Tensor:
        """Real features in the precision of the layer."""
        self._check_dtype(features.dtype, real=True)
        return features if features.dtype == self.real_dtype else tf.cast(features, self.real_dtype)

    def _amplitudes(self, rows: tf.Tensor) -> tf.Tensor:
        """Complex rows in the precision of the layer; the same tensor where they are already."""
        self._check_dtype(rows.dtype)
        return rows if rows.dtype == self.complex_dtype else tf.cast(rows, self.complex_dtype)

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> Any:
        """What TensorFlow saves of the layer; refuses what would load nowhere else."""
        if save_type == "savedmodel":
            check_exportable(self._run_options, self.name)
        return super()._trackable_children(save_type, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration, with the version of its format."""
        return {**super().get_config(), "version": self.CONFIG_VERSION}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes a layer from its configuration.

        Raises:
            ConfigurationError: a newer release of qstore_tf wrote the configuration, or its
                version is malformed.
        """
        config = dict(config)
        version = config.pop("version", 1)
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise ConfigurationError(
                describe(
                    f"The configuration of this {cls.__name__} is malformed: it has no usable "
                    "version",
                    expected=f"an integer from 1 to {cls.CONFIG_VERSION}",
                    received=version,
                    hint="Save the model again, or use what get_config returned as it is",
                )
            )
        if version > cls.CONFIG_VERSION:
            raise ConfigurationError(
                describe(
                    f"This {cls.__name__} was saved by a newer version of qstore_tf",
                    expected=f"configuration version {cls.CONFIG_VERSION} or older",
                    received=version,
                    hint="Upgrade with `pip install --upgrade qstore-tf`, or save the model "
                    "again with the version that is installed here",
                )
            )
        return cls(**config)
