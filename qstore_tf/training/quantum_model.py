"""`QuantumModel`: a Keras model, its backends, its budget and its reports, by a configuration."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow import keras

from qstore_tf.backends import Backend
from qstore_tf.callbacks import CostPhases, ReportsTelemetry
from qstore_tf.distribute import FaultTolerance
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.training import default_model, phases, rows
from qstore_tf.training.chosen_backends import ChosenBackends
from qstore_tf.training.config import TrainingConfig
from qstore_tf.training.cost_estimates import CostEstimate, Work, estimate_phases, parts
from qstore_tf.training.cost_report import CostReport
from qstore_tf.training.measuring import Notes, PhaseClock
from qstore_tf.training.performance_report import PerformanceReport
from qstore_tf.training.step_errors import own_errors
from qstore_tf.training.strategies import strategy_of

_MODEL, _CONFIG = "model.keras", "config.json"


class QuantumModel:
    """A Keras model that is built, trained and paid for as a `TrainingConfig` says.

    Nothing here does what a user of Keras could not do with the parts:

    * the model is `keras.Sequential` with a `qs.layers.QuantumLayer`, or one of yours; it is
      `keras_model`, and `compile`, `fit`, `evaluate` and `predict` are Keras's own;
    * backends come from `qs.backends.get`, `qs.routing.Router` and `qs.routing.Pool`, and change
      between phases by `qs.callbacks.BackendSchedule`;
    * money is `qs.ionq.Budget`, `qs.ionq.CostTracker`, `qs.ionq.estimate` and
      `qs.callbacks.CostPhases`;
    * `qs.callbacks.AdaptiveShots`, `qs.callbacks.AdaptiveDepth` and
      `qs.distribute.FaultTolerance` are callbacks of `fit`;
    * several workers are `qs.distribute.multi_worker_strategy`.

    Args:
        config: What to build and how to train it.
        model: A Keras model of yours with quantum layers, compiled or not, in place of the one
            that is built from the configuration when data is first seen. Its quantum layers run on
            the configuration's backends, or, where it names none, on those they were made with.
        say: Takes the lines meant for the user, such as the estimate of the costs.

    Raises:
        ConfigurationError: A backend cannot be made, or does not go with the other settings.

    Example:
        >>> config = TrainingConfig(n_qubits=2, circuit_depth=1, epochs=2, seed=0)
        >>> model = QuantumModel(config)
        >>> x, y = np.zeros((8, 2), "float32"), np.arange(8) % 2
        >>> history = model.fit(x, y, verbose=0)
        >>> len(history.history["loss"]), model.predict(x).shape
        (2, (8, 2))
        >>> model.get_performance_report().steps
        3
    """

    def __init__(
        self,
        config: TrainingConfig,
        model: keras.Model | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        if not isinstance(config, TrainingConfig):
            raise ConfigurationError(
                describe(
                    "A QuantumModel is made from a TrainingConfig",
                    expected="qs.TrainingConfig(...), or TrainingConfig.from_file(...)",
                    received=config,
                )
            )
        self.config, self._say = config, say
        # The first thing in TensorFlow: workers can only meet before anything else is done.
        self.strategy = strategy_of(config)
        if config.seed is not None and self.strategy is None:
            keras.utils.set_random_seed(config.seed)
        self.backends = ChosenBackends(config)
        self.notes = Notes()
        self.last_estimate: CostEstimate | None = None
        self._model: keras.Model | None = None
        self._predicting: phases.Predicting | None = None
        for purpose in ("training", "validation", "production"):
            self.backends.for_phase(purpose)
        self._is_given = False
        if model is not None:
            self._take(model)

    @property
    def keras_model(self) -> keras.Model:
        """The Keras model within.

        Raises:
            ConfigurationError: There is none before data was seen.
        """
        if self._model is None:
            raise ConfigurationError(
                describe(
                    "The Keras model is built when data is first seen",
                    hint="Call build(data), fit or train first",
                )
            )
        return self._model

    def build(self, data: Any, before: Sequence[keras.layers.Layer] = ()) -> keras.Model:
        """Builds and compiles the Keras model for data, unless there is one; returns it.

        Args:
            data: `(x, y)` in arrays, or a dataset of batches of both.
            before: Layers to put first, such as fitted scalings.

        Raises:
            InputError: The data has no targets, or does not say how many classes there are.
        """
        if self._model is None:
            shapes = default_model.shapes_of(data, self.config)
            with self._scope():
                # By name where nothing was chosen: a saved model then loads on any machine.
                chosen = self.config.backends_for("training")
                backend = self.backends.for_phase("training") if chosen else "auto"
                self._model = default_model.build(self.config, shapes, backend, before)
                default_model.compile_model(self._model, self.config, shapes.loss)
        elif not self._model.compiled:
            loss = default_model.shapes_of(data, self.config).loss
            with self._scope():
                default_model.compile_model(self._model, self.config, loss)
        return self._model

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        validation_data: Any = None,
        training_backend: Any = None,
        validation_backend: Any = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: Any = "auto",
        **options: Any,
    ) -> keras.callbacks.History:
        """Trains; what is not given comes from the configuration.

        With `run_dir`, a training that was interrupted goes on where it ended, and `epochs` counts
        from its beginning. Where a backend costs money, the most that the training costs is said
        before anything is sent.

        Args:
            x: Inputs [N, ...], a dataset of batches, or `(x, y)`.
            y: Targets [N].
            validation_data: `(x, y)`, or a dataset of batches.
            training_backend: The name of an entry or of a backend, a backend, or a list of these.
            validation_backend: As `training_backend`.
            epochs: Passes over the data.
            batch_size: Rows of a step, where the data is in arrays.
            callbacks: Further callbacks of Keras.
            verbose: As in Keras; 0 says nothing of costs either.
            **options: Further arguments of Keras's `fit`, such as `validation_split`.

        Returns:
            The history of Keras.

        Raises:
            BudgetExceededError: The budget cannot pay for the next step.
            QstoreError: Settings that do not go together, or a backend failed.
        """
        data = rows.joined(x, y)
        given = tuple(rows.arguments(data).values())
        if len(given) == 2 and options.get("sample_weight") is not None:
            data = (*given, options.pop("sample_weight"))
        share = options.pop("validation_split", 0.0)
        if share:
            data, validation_data = rows.split(data, share)
        epochs = self.config.epochs if epochs is None else epochs
        size = self.config.batch_size if batch_size is None else batch_size
        model = self.build(data)
        chosen = {
            "train": self._backend("training", training_backend),
            "validation": self._backend("validation", validation_backend),
        }
        runs = {"train": data, "validation": validation_data}
        self.last_estimate = self.estimate(
            data,
            validation_data=validation_data,
            training_backend=training_backend,
            validation_backend=validation_backend,
            epochs=epochs,
            batch_size=size,
        )
        if self.last_estimate is not None and verbose != 0:
            self._say(str(self.last_estimate))
        if validation_data is not None and rows.is_arrays(validation_data):
            # Keras would take 32 where the training data comes in batches of its own.
            options.setdefault("validation_batch_size", size)
        sizes = {"train": size, "validation": options.get("validation_batch_size") or size}
        clock = self._clock(chosen, runs, sizes)
        added = [
            CostPhases(),
            *phases.schedule(model, chosen["train"], chosen["validation"]),
            *phases.adaptive(self.config),
            *callbacks,
            *self._checkpoints(),
            clock,
        ]
        arrays = {"batch_size": size} if rows.is_arrays(data) else {}
        recording = self._recording(chosen.values())
        with recording, clock.timing(), own_errors(), phases.sigterm_as_before():
            return model.fit(
                **rows.arguments(data),
                validation_data=validation_data,
                epochs=epochs,
                callbacks=added,
                verbose=verbose,
                **arrays,
                **options,
            )

    def estimate(
        self,
        x: Any,
        y: Any = None,
        *,
        validation_data: Any = None,
        prediction_data: Any = None,
        training_backend: Any = None,
        validation_backend: Any = None,
        epochs: int | None = None,
        batch_size: int | None = None,
    ) -> CostEstimate | None:
        """Returns what `fit` with these arguments costs at most; nothing is sent or changed.

        Args:
            x: As in `fit`, and so are the others.
            y: As in `fit`.
            validation_data: As in `fit`.
            prediction_data: Inputs that `predict` is called with once.
            training_backend: As in `fit`.
            validation_backend: As in `fit`.
            epochs: As in `fit`.
            batch_size: As in `fit`.

        Returns:
            The estimate by phase; None where no backend costs money.

        Raises:
            InputError: A dataset does not say how many batches it has.
            PriceError: A service gives no usable price.
        """
        data = rows.joined(x, y)
        model = self.build(data)
        epochs = self.config.epochs if epochs is None else epochs
        size = self.config.batch_size if batch_size is None else batch_size
        backend = self._backend("training", training_backend)
        works = [Work("training", backend, data, size, epochs)]
        if validation_data is not None:
            backend = self._backend("validation", validation_backend)
            works.append(Work("validation", backend, rows.inputs(validation_data), size, epochs))
        if prediction_data is not None:
            backend = self._backend("production")
            works.append(Work("prediction", backend, rows.inputs(prediction_data), size, 1))
        return estimate_phases(
            model,
            works,
            lambda backend, trains: phases.on_backend(model, backend, trains),
            self._name,
            lambda: self.backends.account.budget,
        )

    async def train(
        self,
        train_data: Any,
        val_data: Any = None,
        training_backend: Any = None,
        validation_backend: Any = None,
        **options: Any,
    ) -> keras.callbacks.History:
        """Trains in a thread, so that an event loop goes on meanwhile.

        Where the task is cancelled, the training ends after the step under way. SIGTERM is for the
        main thread, and ends the process at once; in `fit`, `FaultTolerance` saves first.

        Args:
            train_data: `(x, y)`, or a dataset of batches.
            val_data: As `train_data`.
            training_backend: As in `fit`.
            validation_backend: As in `fit`.
            **options: Further arguments of `fit`.

        Returns:
            The history of Keras.

        Raises:
            QstoreError: As in `fit`.
        """
        stop = phases.StopWhenAsked()
        callbacks = [*options.pop("callbacks", ()), stop]

        def run() -> keras.callbacks.History:
            return self.fit(
                train_data,
                validation_data=val_data,
                training_backend=training_backend,
                validation_backend=validation_backend,
                callbacks=callbacks,
                **options,
            )

        running = asyncio.ensure_future(asyncio.to_thread(run))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            stop.asked = True
            await asyncio.wait([running])
            raise

    def evaluate(
        self, x: Any, y: Any = None, *, backend: Any = None, verbose: Any = 0, **options: Any
    ) -> dict[str, float]:
        """Returns loss and metrics by name, on the backend for validation.

        Args:
            x: As in `fit`.
            y: As in `fit`.
            backend: Another backend, as `training_backend` of `fit`.
            verbose: As in Keras.
            **options: Further arguments of Keras's `evaluate`.
        """
        data = rows.joined(x, y)
        model = self.build(data)
        chosen = self._backend("validation", backend)
        with self._timed("validation", chosen, data, options) as given:
            if chosen is not None:
                given["callbacks"].append(phases.EvaluateOn(chosen))
            found = model.evaluate(
                **rows.arguments(data), return_dict=True, verbose=verbose, **given
            )
        return {name: float(value) for name, value in found.items()}

    def predict(
        self, x: Any, *, backend: Any = None, verbose: Any = 0, **options: Any
    ) -> np.ndarray:
        """Returns the model's outputs, on the backend for production.

        Args:
            x: Inputs [N, ...], or a dataset of batches.
            backend: Another backend, as `training_backend` of `fit`.
            verbose: As in Keras.
            **options: Further arguments of Keras's `predict`.
        """
        model = self.keras_model
        chosen = self._backend("production", backend)
        if self._predicting is None:
            self._predicting = phases.Predicting(model)
        with self._timed("predict", chosen, x, options) as given, self._predicting.on(chosen):
            found: np.ndarray = model.predict(x, verbose=verbose, **given)
        return found

    def get_cost_report(self) -> CostReport:
        """Returns what the training has cost, with `run_dir` since its beginning."""
        return self.backends.account.report()

    def get_performance_report(self) -> PerformanceReport:
        """Returns how fast this process was in `fit`, `evaluate` and `predict`."""
        return PerformanceReport.of(self.notes, self._counters())

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes the model into a folder: `model.keras`, which Keras reads, and `config.json`.

        Args:
            folder: Is made where there is none.

        Returns:
            The folder.

        Raises:
            ConfigurationError: There is no Keras model yet, or the folder is a file.
        """
        path = Path(folder)
        if path.suffix == ".keras" or path.is_file():
            raise ConfigurationError(
                describe(
                    "A QuantumModel is saved into a folder",
                    expected="the name of a folder",
                    received=str(folder),
                    hint="keras_model.save('model.keras') writes the Keras model alone",
                )
            )
        model = self.keras_model
        path.mkdir(parents=True, exist_ok=True)
        model.save(path / _MODEL)
        settings = json.dumps(self.config.to_dict(), indent=2)
        (path / _CONFIG).write_text(settings + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(
        cls, folder: str | os.PathLike[str], say: Callable[[str], None] = print
    ) -> QuantumModel:
        """Returns a model from a folder that `save` has written.

        Raises:
            ConfigurationError: Something is missing there.
        """
        path = Path(folder)
        for name in (_MODEL, _CONFIG):
            if not (path / name).is_file():
                raise ConfigurationError(
                    describe(
                        f"{str(folder)!r} holds no QuantumModel",
                        expected=f"{_MODEL} and {_CONFIG}, as save(folder) writes them",
                        received=sorted(each.name for each in path.glob("*")),
                    )
                )
        made = cls(TrainingConfig.from_file(path / _CONFIG), say=say)
        with made._scope():
            made._take(keras.models.load_model(path / _MODEL))
        return made

    def _take(self, model: keras.Model) -> None:
        """Takes a Keras model that exists, whose layers are to run on our backends."""
        if not phases.quantum_layers(model):
            raise ConfigurationError(
                describe(
                    "The model has no quantum layer",
                    expected="a Keras model with qs.layers.QuantumLayer",
                    received=[layer.name for layer in model._flatten_layers(include_self=False)],
                )
            )
        self._model, self._is_given = model, True

    def _backend(self, purpose: str, asked: Any = None) -> Backend | None:
        """The backend of a phase; None: that of each layer, of a model that was given."""
        if asked is None and self._is_given and not self.config.backends:
            return None
        return self.backends.for_phase(purpose, asked)

    def _scope(self) -> Any:
        return ExitStack() if self.strategy is None else self.strategy.scope()

    @contextmanager
    def _timed(
        self, phase: str, backend: Backend | None, data: Any, options: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Gives what `evaluate` and `predict` are called with, and notes how long they take."""
        given = dict(options)
        size = given.get("batch_size") or self.config.batch_size
        if rows.is_arrays(data):
            given["batch_size"] = size
        clock = self._clock({phase: backend}, {phase: data}, {phase: size})
        given["callbacks"] = [CostPhases(), *given.get("callbacks", ()), clock]
        with self._recording([backend]), clock.timing(), own_errors():
            yield given

    def _name(self, backend: Any) -> str:
        """What reports call a backend, or those of the layers."""
        if backend is not None:
            return self.backends.name_of(backend)
        own = phases.own_backends(self.keras_model)
        return ", ".join(dict.fromkeys(each.name for each in own))

    def _recording(self, backends: Iterable[Backend | None]) -> Any:
        """Records what jobs cost, also those of backends that were made elsewhere."""
        every = [
            part
            for backend in backends
            for each in (phases.own_backends(self.keras_model) if backend is None else [backend])
            for part in parts(each)
        ]
        is_remote = any(getattr(getattr(each, "arrays", each), "remote", False) for each in every)
        return self.backends.account.tracker if is_remote else nullcontext()

    def _clock(
        self,
        chosen: Mapping[str, Backend | None],
        runs: Mapping[str, Any],
        sizes: Mapping[str, int],
    ) -> PhaseClock:
        names = {phase: self._name(backend) for phase, backend in chosen.items()}
        batches = {
            phase: rows.batches(data, sizes[phase])
            for phase, data in runs.items()
            if data is not None
        }
        measurements = phases.measurements(self.keras_model)
        return PhaseClock(self.notes, names.__getitem__, batches, measurements)

    def _checkpoints(self) -> list[keras.callbacks.Callback]:
        folder = self.config.run_dir
        if folder is None:
            return []
        every = self.config.checkpoint_interval
        return [FaultTolerance(Path(folder) / "checkpoints", every_steps=every)]

    def _counters(self) -> dict[str, dict[str, float]]:
        found = dict(self.backends.made)
        if self._is_given and not self.config.backends:
            found = {each.name: each for each in phases.own_backends(self.keras_model)}
        return {
            name: {key: float(value) for key, value in backend.telemetry().items()}
            for name, backend in found.items()
            if isinstance(backend, ReportsTelemetry)
        }
