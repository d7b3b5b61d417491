"""Writes what was found as TensorBoard summaries. Each function needs a default writer."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.callbacks import layout
from qstore_tf.callbacks.layout import tag
from qstore_tf.callbacks.monitor import Monitor
from qstore_tf.callbacks.probe import Finding
from qstore_tf.callbacks.statistics import meyer_wallach
from qstore_tf.circuits.drawing import draw_mpl, draw_text
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.layers import QuantumLayer

# A picture of more gates is a wall of boxes that takes seconds to draw.
_MOST_DRAWN = 600
_DPI = 90
_BUCKETS = 20


def prepare(log_dir: str) -> None:
    """Makes the directory and checks that it can be written.

    Raises:
        ConfigurationError: it cannot.
    """
    if "://" in log_dir:  # the writer's own file systems say it themselves
        return
    marker = tf.io.gfile.join(log_dir, ".qstore_writable")
    try:
        tf.io.gfile.makedirs(log_dir)
        with open(marker, "w", encoding="utf-8"):
            pass
        tf.io.gfile.remove(marker)
    except (OSError, tf.errors.OpError) as error:
        raise ConfigurationError(
            describe(
                f"TensorBoard logs cannot be written ({getattr(error, 'message', error)})",
                expected="a directory that exists or can be made, with write permission",
                received=log_dir,
                hint="Give another log_dir, or change the permissions of this one",
            )
        ) from error


def charts(
    values: Mapping[str, float | None], step: int, histograms: Mapping[str, Any] | None = None
) -> None:
    """Writes numbers and histograms by tag, all in one event; None is left out."""
    from tensorboard.plugins.histogram import summary as histogram
    from tensorboard.plugins.scalar import summary as scalar

    whole = tf.compat.v1.Summary()
    for name, value in values.items():
        if value is not None:
            about = layout.DESCRIPTIONS.get(name.rpartition("/")[2])
            _append(whole, name, scalar.pb(name, np.float32(value), description=about))
    for name, numbers in (histograms or {}).items():
        about = layout.DESCRIPTIONS.get(name.rpartition("/")[2])
        finite = np.asarray(numbers)[np.isfinite(numbers)]
        _append(whole, name, histogram.pb(name, finite, _BUCKETS, description=about))
    if whole.value:
        tf.summary.experimental.write_raw_pb(whole.SerializeToString(), step=step)


def _append(whole: Any, name: str, one: Any) -> None:
    """Adds a summary under the tag as it is; TensorBoard's helpers append to the name."""
    one.value[0].tag = name
    whole.value.append(one.value[0])


def finding(layer: str, found: Finding, monitor: Monitor, step: int) -> None:
    """Writes what was seen of one layer."""
    values: dict[str, float | None] = {}
    histograms: dict[str, Any] = {"theta": found.theta}
    if found.loss_gradient is not None:
        values["gradient_norm"] = monitor.loss.norm
        values["gradient_variance"] = monitor.loss.variance
    if found.observable_gradient is not None:
        values["observable_gradient_variance"] = monitor.observables.variance
        values["barren_threshold"] = monitor.threshold
    if found.purities is not None:
        values["single_qubit_purity"] = float(np.mean(found.purities))
        values["entanglement"] = meyer_wallach(found.purities)
    if found.measurement is not None:
        measured = found.measurement.expectations.numpy()
        for name in ("min", "mean", "max"):
            values[f"expectation_{name}"] = float(getattr(np, name)(measured))
        histograms["expectation_values"] = measured
    charts(
        {tag(layer, name): value for name, value in values.items()},
        step,
        {tag(layer, name): numbers for name, numbers in histograms.items()},
    )


def text(name: str, markdown: str, step: int) -> None:
    """Writes Markdown."""
    tf.summary.text(name, markdown, step=step)


def page(layers: Sequence[str], metrics: Sequence[str]) -> None:
    """Writes the layout of the custom scalars page."""
    tf.summary.experimental.write_raw_pb(layout.summary(layers, metrics), step=0)


def hyperparameters(
    log_dir: str, values: Mapping[str, Any], metrics: Sequence[str], validated: bool
) -> None:
    """Writes the hyperparameters of a run, and the metrics to compare runs by.

    They belong to the run's own directory: TensorBoard looks for metrics beneath it, where Keras
    writes them.
    """
    from tensorboard.plugins.hparams import api as hp

    groups = ("train", "validation") if validated else ("train",)
    shown = [
        hp.Metric(f"epoch_{name}", group=group, display_name=f"{name} ({group})")
        for group in groups
        for name in metrics
    ]
    plain = {name: _plain(value) for name, value in values.items()}
    writer = tf.summary.create_file_writer(log_dir)
    with writer.as_default(), tf.summary.record_if(True):
        hp.hparams_config(hparams=[hp.HParam(name) for name in plain], metrics=shown)
        hp.hparams(plain)
    writer.close()


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else str(value)


def circuit(layer: QuantumLayer, drawn: UnifiedCircuit, step: int) -> None:
    """Writes a circuit as a picture and as text."""
    caption = {
        "amplitude": "The circuit starts from the features as amplitudes.\n\n",
        "none": "",
    }.get(layer.circuit_options.encoding or "none", "The gates of `x` encode the features.\n\n")
    n_gates = len(drawn.operations)
    if n_gates <= _MOST_DRAWN:
        picture = io.BytesIO()
        draw_mpl(drawn).savefig(picture, format="png", dpi=_DPI)
        image = tf.io.decode_png(picture.getvalue(), channels=3)
        tf.summary.image(tag(layer.name, "circuit"), image[tf.newaxis], step=step)
    else:
        caption += f"No picture: {n_gates} gates are more than {_MOST_DRAWN}.\n\n"
    text(tag(layer.name, "circuit_text"), f"{caption}```\n{draw_text(drawn, 100)}\n```", step)
