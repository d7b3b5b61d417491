"""One training, watched: when to look, at what, and what is written then."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from qstore_tf.callbacks import local, settings, telemetry, timing, training_rows, writing
from qstore_tf.callbacks.layout import metric_names, tag
from qstore_tf.callbacks.monitor import Monitor
from qstore_tf.callbacks.probe import Finding, Probe, can_look, quantum_layers

_log = logging.getLogger("qstore_tf")

# How long circuits take is measured in every tenth look: it takes as long as a few steps.
_TIMED = 10
_FLUSH_SECONDS = 5.0

_NO_DATA = (
    "Charts that need data are left out: XLA compiles the training step, so that no rows can be "
    "taken from it. Give QuantumTensorBoard a `sample`."
)
_PAID = (
    "Gradients, expectation values and entanglement are not charted: a backend without state "
    "vectors may be hardware, where every run is paid for, and none is added."
)


class Watch:
    """Watches one `fit` of a model and writes what it sees.

    Args:
        options: the callback, whose arguments hold.
        model: the model, compiled.
        writer: the summary writer of the run.

    Attributes:
        metrics: names of the model's metrics, once they are known.
    """

    def __init__(self, options: Any, model: Any, writer: Any) -> None:
        self.metrics: list[str] | None = None
        self._options, self._model, self._writer = options, model, writer
        self._rows = training_rows.of(model)
        self._layers: list[Any] = []
        self._probe: Probe | None = None
        self._monitors: dict[str, Monitor] = {}
        self._clock = timing.StepClock()
        self._budget = timing.Budget(options.overhead)
        self._fallbacks = telemetry.Fallbacks()
        self._decisions = telemetry.Decisions()
        self._seconds: dict[str, float] = {}
        self._structure: dict[str, Any] = {}
        self._probed = 0
        self._step: int | None = None  # of the last look
        self._next = options.every or 0
        self._flushed = 0.0
        self._paged = self._compared = False

    def begin(self) -> None:
        """Writes what is known before the first step, and listens for fallbacks."""
        self._fallbacks.attach()
        for message in telemetry.standing_fallbacks(quantum_layers(self._model)):
            self._fallbacks.add(message)
        with self._writer.as_default(), tf.summary.record_if(True):
            self._write_structure(local.steps_taken(self._model))
        self._writer.flush()

    def step_begins(self, batch: int) -> None:
        """Looks if it is time to."""
        self._clock.begin(batch, time.perf_counter())
        if self._is_time():
            self._look()

    def pause(self) -> None:
        """The last step of an epoch is over."""
        self._clock.pause(time.perf_counter(), local.steps_per_execution(self._model))

    def epoch_ends(self, logs: Mapping[str, Any]) -> None:
        """Looks if it is time to, and writes what is written once an epoch."""
        self.pause()
        if self._is_time():
            self._look()
        if not self._compared:
            self.metrics = self.metrics or metric_names(logs)
            self._compare(any(name.startswith("val_") for name in logs))

    def end(self) -> None:
        """Looks for the last time."""
        if local.steps_taken(self._model) != self._step:
            self._look()
        with self._writer.as_default(), tf.summary.record_if(True):
            self._write_events(local.steps_taken(self._model))
        if not self._compared:
            self._compare(validated=False)
        self._fallbacks.detach()
        self._writer.flush()

    def _is_time(self) -> bool:
        if self._options.every is not None:
            return self._clock.steps >= self._next
        return self._clock.trained > 0 and self._budget.allows(self._clock.trained)

    def _look(self) -> None:
        begun = time.perf_counter()
        step = self._step = local.steps_taken(self._model)
        self._next = self._clock.steps + (self._options.every or 0)
        with self._writer.as_default(step), tf.summary.record_if(True):
            self._write_structure(step)
            self._write_events(step)
            findings = self._find()
            for layer, found in zip(self._layers, findings, strict=bool(findings)):
                self._write_finding(layer.name, found, step)
            self._write_speed(step)
            if self.metrics and not self._paged:
                writing.page([layer.name for layer in self._layers], self.metrics)
                self._paged = True
        now = time.perf_counter()
        if now - self._flushed > _FLUSH_SECONDS:
            self._writer.flush()
            self._flushed = now
        now = time.perf_counter()
        self._budget.charge(now - begun)
        self._clock.resume(now)

    def _find(self) -> list[Finding]:
        """Probes the model; returns nothing without data, or after an error."""
        if self._probe is None:
            return []
        data = self._data()
        if data is None:
            return []
        # No error here may stop the training. It is logged, and the probe is not tried again.
        try:
            findings = self._probe(data)
            if self._probed % _TIMED == 0:
                local.in_own_thread(lambda: self._time(findings))
        except Exception as error:
            self._probe = None
            _log.warning(
                "QuantumTensorBoard could not look at the model and leaves out what needs it "
                "(%s: %s). The training goes on.", type(error).__name__, error,
            )  # fmt: skip
            return []
        self._probed += 1
        return findings

    def _data(self) -> Any:
        if self._options.sample is None:
            return None if self._rows is None else self._rows.data
        return training_rows.first_rows(self._options.sample, self._options.rows)

    def _time(self, findings: list[Finding]) -> None:
        if self._rows is None or self._rows.batch_size is None:
            return
        for layer, found in zip(self._layers, findings, strict=True):
            if found.measurement is not None:
                seconds = timing.quantum_seconds(found.measurement, self._rows.batch_size)
                self._seconds[layer.name] = seconds

    def _write_structure(self, step: int) -> None:
        """Writes circuits and settings that are new or have changed."""
        layers = [layer for layer in quantum_layers(self._model) if layer.theta is not None]
        known = self._structure
        if [id(layer) for layer in layers] != [id(layer) for layer in self._layers]:
            self._layers = layers
            self._set_up()
        for layer in layers:
            if known.get(f"layer {layer.name}") is not layer:
                known[f"layer {layer.name}"] = layer
                drawn = layer.circuit_with_encoding()
                if known.get(layer.name) != drawn.to_json():
                    known[layer.name] = drawn.to_json()
                    writing.circuit(layer, drawn, step)
        if layers and known.get("settings") != (shown := settings.table(layers)):
            known["settings"] = shown
            writing.text("quantum/settings", shown, step)

    def _set_up(self) -> None:
        options = self._options
        for layer in self._layers:
            shots = settings.of_layer(layer)["shots"]
            self._monitors.setdefault(
                layer.name, Monitor(layer.name, options.window, options.barren_threshold, shots)
            )
        self._probe = None
        if not can_look(self._layers):
            self._fallbacks.add(_PAID)
        elif options.sample is None and self._rows is None:
            self._fallbacks.add(_NO_DATA)
        elif self._layers:
            self._probe = Probe(self._model, self._layers)

    def _write_finding(self, name: str, found: Finding, step: int) -> None:
        monitor = self._monitors[name]
        if found.loss_gradient is not None:
            monitor.loss.add(found.loss_gradient)
        if found.observable_gradient is not None:
            monitor.observables.add(found.observable_gradient)
        writing.finding(name, found, monitor, step)
        message = monitor.check()
        if message is not None:
            writing.text("quantum/barren_plateau", message, step)

    def _write_speed(self, step: int) -> None:
        seconds = self._clock.step_seconds
        if seconds is None or self._rows is None or self._rows.batch_size is None:
            return
        replicas = self._model.distribute_strategy.num_replicas_in_sync
        rate = self._rows.batch_size * replicas / seconds
        for layer in self._layers:
            share = self._seconds.get(layer.name)
            values = {
                "circuits_per_second": rate,
                "time_share": None if share is None else share / seconds,
            }
            writing.charts({tag(layer.name, k): v for k, v in values.items()}, step)

    def _write_events(self, step: int) -> None:
        """Writes fallbacks, what routers decide, and what backends report."""
        for message in self._fallbacks.pop_messages():
            writing.text("quantum/fallbacks", message, step)
        for message in self._decisions.pop_messages(self._layers):
            writing.text("quantum/routing", message, step)
        values: dict[str, float | None] = {}
        if self._fallbacks.count:
            values["quantum/fallback_count"] = self._fallbacks.count
        count = telemetry.optimizer_fallbacks(self._model)
        if count:
            values["quantum/optimizer_fallbacks"] = count
        for backend, numbers in telemetry.reported(self._layers).items():
            values.update({f"backend_{backend}/{name}": v for name, v in numbers.items()})
        for account, numbers in telemetry.accounts(self._layers).items():
            values.update({f"{account}/{name}": v for name, v in numbers.items()})
        writing.charts(values, step)

    def _compare(self, validated: bool) -> None:
        """Writes the hyperparameters, into the run's own directory."""
        self._compared = True
        values = settings.hyperparameters(self._model, self._layers, self._options.hparams)
        writing.hyperparameters(self._options.log_dir, values, self.metrics or ["loss"], validated)
