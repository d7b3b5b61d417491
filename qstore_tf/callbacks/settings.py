"""The settings of quantum layers, as a table for people and as hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow import keras

from qstore_tf import execution
from qstore_tf.layers import QuantumLayer

_ROWS = {
    "n_qubits": "qubits",
    "depth": "depth",
    "encoding": "encoding",
    "ansatz": "ansatz",
    "entanglement": "entanglement",
    "n_parameters": "trained angles",
    "backend": "backend",
    "gradient": "gradient",
    "shots": "shots",
    "dtype": "precision",
}


def of_layer(layer: QuantumLayer) -> dict[str, Any]:
    """The settings of a layer as plain values, "auto" resolved."""
    runs_with, options = layer.run_options, layer.circuit_options
    backend, method = execution.choose(runs_with.resolved, runs_with.gradient, runs_with.shots)
    own = options.circuit is not None
    return {
        "n_qubits": layer.n_qubits,
        "depth": None if own else options.depth,
        "encoding": options.encoding or ("symbols" if options.inputs else "none"),
        "ansatz": "own circuit" if own else options.ansatz,
        "entanglement": None if own else _entanglement(options.entanglement),
        "n_parameters": None if layer.theta is None else int(np.prod(layer.theta.shape)),
        "backend": runs_with.resolved.name,
        "gradient": method.name,
        "shots": getattr(backend, "shots", None),
        "dtype": layer.real_dtype.name,
    }


def table(layers: Sequence[QuantumLayer]) -> str:
    """The settings of all layers as a Markdown table, one column each.

    "backend" and "gradient" are those in use, with "(auto)" where that was asked for.
    """
    columns = []
    for layer in layers:
        found = of_layer(layer)
        for name in ("backend", "gradient"):
            if getattr(layer.run_options, name) == "auto":
                found[name] += " (auto)"
        found["shots"] = found["shots"] or "exact"
        columns.append(found)
    rows = [
        f"| **{title}** | "
        + " | ".join("-" if found[name] is None else str(found[name]) for found in columns)
        + " |"
        for name, title in _ROWS.items()
    ]
    head = "| layer | " + " | ".join(layer.name for layer in layers) + " |"
    return "\n".join([head, "|---" * (len(layers) + 1) + "|", *rows])


def hyperparameters(
    model: Any, layers: Sequence[QuantumLayer], more: Mapping[str, Any]
) -> dict[str, Any]:
    """What TensorBoard's HParams page compares runs by: layers, optimizer and the user's own.

    Names are those of the layer's arguments; with several layers they begin with the layer's name.
    """
    found: dict[str, Any] = {}
    for layer in layers:
        prefix = f"{layer.name}." if len(layers) > 1 else ""
        known = {k: v for k, v in of_layer(layer).items() if v is not None}
        found.update({prefix + name: value for name, value in known.items()})
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        found["optimizer"] = type(optimizer).__name__
        rate = optimizer.get_config().get("learning_rate")
        if isinstance(rate, int | float | np.number):
            found["learning_rate"] = float(rate)
        elif rate is not None:
            found["learning_rate"] = str(rate.get("class_name", "schedule"))
    loss = getattr(model, "loss", None)
    if isinstance(loss, str):
        found["loss"] = loss
    elif isinstance(loss, keras.losses.Loss):
        found["loss"] = loss.name
    return {**found, **more}


def _entanglement(value: Any) -> str:
    return value if isinstance(value, str) else " ".join(f"{a}-{b}" for a, b in value)
