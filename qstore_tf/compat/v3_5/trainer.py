"""`QuantumTrainer` of versions 3.4 and 3.5, over `qs.QuantumModel`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from qstore_tf import backends
from qstore_tf.backends import Backend
from qstore_tf.compat.v3_5.backends import training_backend
from qstore_tf.compat.v3_5.config import TrainingConfig
from qstore_tf.compat.v3_5.model import QuantumModel
from qstore_tf.errors import ConfigurationError, InputError, describe
from qstore_tf.optimizers import QuantumNaturalGradient
from qstore_tf.training.quantum_model import QuantumModel as Today


class QuantumTrainer:
    """Trains a model of version 3.5 with `qs.QuantumModel`, which does what Keras's `fit` does.

    Adaptive depth and shots are `qs.callbacks.AdaptiveDepth` and `AdaptiveShots`, natural gradients
    `qs.optimizers.QuantumNaturalGradient`, checkpoints `qs.distribute.FaultTolerance`.

    Integer targets are classes, other targets numbers, whose squared error is minimized.

    Args:
        config: The settings.
        backend: What it trains on; None: IonQ, or the pool of `backend_configs`.

    Example:
        >>> import asyncio
        >>> config = TrainingConfig(n_qubits=2, epochs=2, gradient_method="parameter_shift")
        >>> model = QuantumModel(input_dim=2, n_qubits=2, output_dim=2, backend="tensorflow")
        >>> trainer = QuantumTrainer(config, backend="tensorflow")
        >>> batch = (np.zeros((4, 2), "float32"), np.array([0, 1, 0, 1]))
        >>> history = asyncio.run(trainer.train(model, [batch], verbose=0))
        >>> len(history.history["loss"]), trainer.get_performance_stats()["total_circuits"]
        (2, 8)
    """

    def __init__(self, config: TrainingConfig, backend: Any = None) -> None:
        if not isinstance(config, TrainingConfig):
            raise ConfigurationError(
                describe(
                    "A QuantumTrainer is made from a configuration of version 3.5",
                    expected="qstore_tf.compat.v3_5.TrainingConfig(...)",
                    received=config,
                )
            )
        self.config = config
        chosen = training_backend(config) if backend is None else backend
        self.backend: Backend = backends.get(chosen)
        self._training: Today | None = None

    async def train(
        self,
        model: QuantumModel,
        train_loader: Any,
        val_loader: Any = None,
        callbacks: Iterable[keras.callbacks.Callback] = (),
        verbose: Any = "auto",
    ) -> keras.callbacks.History:
        """Trains in a thread, so that an event loop goes on meanwhile.

        Args:
            model: The model.
            train_loader: Batches of features [B, F] and targets, iterated anew in each epoch: a
                list, a loader, a `tf.data.Dataset`, or a pair of arrays, which `batch_size` cuts.
            val_loader: Likewise.
            callbacks: Further callbacks of Keras.
            verbose: As in Keras.

        Returns:
            The history of Keras.

        Raises:
            InputError: A loader has no batches, or they are no pairs.
            QstoreError: Settings that do not go together, or a backend failed.
        """
        data, kind = batches(train_loader, self.config.batch_size)
        built = model.for_training(self.config, self.backend)
        if not built.compiled:
            self._compile(built, is_classes=np.dtype(kind).kind in "iub")
        if self._training is None or self._training.keras_model is not built:
            depth = built.get_layer("quantum").circuit_options.depth
            self._training = Today(self.config.to_today(depth), built)
        own = self.backend if model.backend is None else backends.get(model.backend)
        return await self._training.train(
            data,
            None if val_loader is None else batches(val_loader, self.config.batch_size)[0],
            training_backend=own,
            validation_backend=own,
            callbacks=list(callbacks),
            verbose=verbose,
            shuffle=False,  # loaders have an order of their own
        )

    def get_performance_stats(self) -> dict[str, float]:
        """Returns what was measured in this trainer's `train` so far; without any, zeros.

        `total_circuits`: circuits that the rows of batches asked for, those of gradients left out.
        `avg_batch_time_ms`: seconds of all steps by their number, times 1000.
        `throughput_circuits_per_sec`: `total_circuits` by the seconds in which they ran.
        `cache_hit_rate`: of the circuits that were wanted for IonQ since the process began, the
        share whose structure had been compiled already; 0 elsewhere, where nothing is compiled.
        """
        rows = [] if self._training is None else self._training.get_performance_report().rows
        circuits, steps = sum(row.circuits for row in rows), sum(row.steps for row in rows)
        seconds = sum(row.seconds for row in rows if row.steps)
        telemetry: Callable[[], dict[str, float]] = getattr(self.backend, "telemetry", dict)
        return {
            "total_circuits": circuits,
            "avg_batch_time_ms": 1000 * seconds / steps if steps else 0.0,
            "throughput_circuits_per_sec": circuits / seconds if seconds else 0.0,
            "cache_hit_rate": telemetry().get("structure_cache_hit_rate", 0.0),
        }

    def _compile(self, model: keras.Model, is_classes: bool) -> None:
        loss = "mse"
        if is_classes:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        metrics = ["accuracy" if is_classes else "mae"]
        model.compile(optimizer=optimizer_of(self.config), loss=loss, metrics=metrics)


def optimizer_of(config: TrainingConfig) -> Any:
    """Returns Keras's optimizer of a configuration.

    Example:
        >>> optimizer_of(TrainingConfig(optimizer="sgd", weight_decay=0.1)).momentum
        0.9
    """
    decay = {"weight_decay": config.weight_decay} if config.weight_decay else {}
    made: Any = {
        "adam": lambda: keras.optimizers.Adam(config.learning_rate, **decay),
        "sgd": lambda: keras.optimizers.SGD(
            config.learning_rate, momentum=config.momentum, **decay
        ),
    }[config.optimizer]()
    if config.gradient_method != "natural_gradient":
        return made
    return QuantumNaturalGradient(
        config.learning_rate,
        regularization=config.natural_gradient_regularization,
        classical=made,
    )


def batches(loader: Any, batch_size: int) -> tuple[tf.data.Dataset, np.dtype[Any]]:
    """Returns a loader as a dataset of batches, and the dtype of its targets.

    Args:
        loader: See `QuantumTrainer.train`. One that can be iterated once only is kept in memory.
        batch_size: Of a pair of arrays.

    Example:
        >>> data, kind = batches([(np.zeros((4, 2)), np.arange(4))], 2)
        >>> [x.shape[0] for x, _ in data], kind.name
        ([4], 'int64')
    """
    if isinstance(loader, tf.data.Dataset):
        spec = loader.element_spec
        if not isinstance(spec, tuple) or len(spec) < 2:
            raise _no_pairs(spec)
        return loader, np.dtype(spec[1].dtype.as_numpy_dtype)
    if isinstance(loader, tuple) and len(loader) == 2 and hasattr(loader[0], "shape"):
        x, y = _arrays(loader)
        whole = tf.data.Dataset.from_tensor_slices((x, y))
        return whole.shuffle(len(x)).batch(batch_size), y.dtype
    if iter(loader) is loader:
        loader = list(loader)
    first = next(iter(loader), None)
    if first is None:
        raise InputError(describe("A loader has no batches", expected="at least one"))
    x, y = _arrays(first)
    signature = tuple(tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in (x, y))
    made = tf.data.Dataset.from_generator(lambda: map(_arrays, loader), output_signature=signature)
    if hasattr(loader, "__len__"):
        made = made.apply(tf.data.experimental.assert_cardinality(len(loader)))
    return made, y.dtype


def _arrays(batch: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise _no_pairs(batch)
    x, y = np.asarray(batch[0], "float32"), np.asarray(batch[1])
    return x, y.astype("float32" if y.dtype.kind == "f" else "int64")


def _no_pairs(received: Any) -> InputError:
    return InputError(
        describe(
            "A loader gives batches of features and targets",
            expected="pairs (features [B, F], targets [B])",
            received=type(received).__name__,
        )
    )
