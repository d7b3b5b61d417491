"""The tags of the charts, and the layout of the custom scalars page made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# A chart of the page: title, and the tags it shows, of a layer where they have "{layer}".
_LAYER_CHARTS = {
    "Gradient of the loss: norm": ("{layer}/gradient_norm",),
    "Gradient variance (barren plateaus)": (
        "{layer}/gradient_variance",
        "{layer}/observable_gradient_variance",
        "{layer}/barren_threshold",
    ),
    "Entanglement (Meyer-Wallach) and single-qubit purity": (
        "{layer}/entanglement",
        "{layer}/single_qubit_purity",
    ),
    "Expectation values: smallest, mean, largest": (
        "{layer}/expectation_min",
        "{layer}/expectation_mean",
        "{layer}/expectation_max",
    ),
    "Share of the step spent in circuits": ("{layer}/time_share",),
    "Circuits per second": ("{layer}/circuits_per_second",),
}

# What TensorBoard shows at the (i) of a chart.
DESCRIPTIONS = {
    "gradient_norm": "Euclidean norm of the gradient of the loss by the layer's angles.",
    "gradient_variance": "Variance of the gradient of the loss, over the layer's angles and the "
    "last looks. Falls when training converges, too.",
    "observable_gradient_variance": "Variance of the derivatives of the expectation values by the "
    "angles, over angles, samples, observables and the last looks. Exponentially small in the "
    "number of qubits on a barren plateau (McClean et al. 2018, arXiv:1803.11173).",
    "barren_threshold": "Below this variance a warning is given.",
    "single_qubit_purity": "Mean of tr(rho^2) over qubits and samples: 1 without entanglement, "
    "0.5 where every qubit is fully entangled.",
    "entanglement": "Meyer-Wallach measure, 2 (1 - mean single-qubit purity): 0 to 1.",
    "expectation_min": "Smallest expectation value on the rows looked at.",
    "expectation_mean": "Mean expectation value on the rows looked at.",
    "expectation_max": "Largest expectation value on the rows looked at.",
    "expectation_values": "Expectation values on the rows looked at.",
    "theta": "The trained angles, in radians.",
    "time_share": "Time of the circuits with their gradient, measured by themselves on a batch of "
    "the same size, as a share of the time of a training step.",
    "circuits_per_second": "Samples that went through this circuit per second of training.",
    "fallback_count": "Fallbacks so far; what they were is under Text.",
    "optimizer_fallbacks": "Steps in which the natural gradient used the pseudoinverse.",
}


def tag(layer: str, chart: str) -> str:
    """The tag of a layer's chart; TensorBoard groups by the part before the slash.

    >>> tag("my layer", "gradient_norm")
    'my_layer/gradient_norm'
    """
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', layer)}/{chart}"


def metric_names(logs: Mapping[str, Any]) -> list[str]:
    """The metrics of the training in what Keras logs.

    >>> metric_names({"loss": 1.0, "accuracy": 0.5, "val_loss": 2.0, "learning_rate": 0.1})
    ['loss', 'accuracy']
    """
    return [name for name in logs if not name.startswith(("val_", "learning_rate"))]


def charts(layers: Sequence[str], metrics: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """The page: categories, their charts by title, and the tags in each chart.

    Args:
        layers: names of the quantum layers.
        metrics: names of the model's metrics, "loss" among them.
    """
    page = {"Training": {f"{name}, per epoch": [f"epoch_{name}"] for name in metrics}}
    for layer in layers:
        page[f"Quantum layer {layer}"] = {
            title: [tag(layer, name.partition("/")[2]) for name in tags]
            for title, tags in _LAYER_CHARTS.items()
        }
    return page


def summary(layers: Sequence[str], metrics: Sequence[str]) -> bytes:
    """The page as TensorBoard's custom scalars plugin reads it: a serialized summary."""
    from tensorboard.plugins.custom_scalar import layout_pb2
    from tensorboard.plugins.custom_scalar import summary as custom_scalar

    def chart(title: str, tags: list[str]) -> Any:
        exact = [f"^{re.escape(name)}$" for name in tags]
        content = layout_pb2.MultilineChartContent(tag=exact)
        return layout_pb2.Chart(title=title, multiline=content)

    categories = [
        layout_pb2.Category(title=title, chart=[chart(*item) for item in shown.items()])
        for title, shown in charts(layers, metrics).items()
    ]
    return custom_scalar.pb(layout_pb2.Layout(category=categories)).SerializeToString()
