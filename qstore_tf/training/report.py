"""Pictures and figures of a finished training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from qstore_tf.errors import InputError, describe

_BLUE, _ORANGE = "#1f5a96", "#d1661b"


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Counts samples by true class (row) and predicted class (column).

    Args:
        truth: class indices [N].
        predicted: class indices [N].
        n_classes: number of classes.

    Raises:
        InputError: if the two differ in length.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    if np.shape(truth) != np.shape(predicted):
        raise InputError(
            describe(
                "True and predicted classes differ in length",
                expected=np.shape(truth),
                received=np.shape(predicted),
            )
        )
    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def plot_confusion_matrix(counts: np.ndarray, class_names: Sequence[str], title: str) -> Figure:
    """Draws a confusion matrix: shade by share of the true class, counts as text.

    Args:
        counts: samples by true class (row) and predicted class (column).
        class_names: one name per class.
        title: written above.
    """
    n_classes = len(class_names)
    # Long names stand upright below the columns and need room beside the rows.
    longest = max(len(name) for name in class_names)
    side = min(3.6 + 0.42 * n_classes, 24.0)
    figure = Figure(figsize=(side + 0.08 * longest, side), layout="constrained")
    axes = figure.subplots()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    picture = axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    ticks = range(n_classes)
    axes.set_xticks(ticks, class_names, rotation=90 if longest > 3 else 0)
    axes.set_yticks(ticks, class_names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title, fontsize=12, pad=12)
    # Thin white lines between the cells, drawn on the minor ticks.
    axes.set_xticks(np.arange(n_classes + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n_classes + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.0)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    if n_classes <= 40:
        _write_counts(axes, counts, share)
    figure.colorbar(picture, ax=axes, shrink=0.8, label="share of the true class")
    return figure


def _write_counts(axes: Axes, counts: np.ndarray, share: np.ndarray) -> None:
    size = 10 if len(counts) <= 20 else 6
    for (row, column), count in np.ndenumerate(counts):
        if count:
            axes.text(
                column,
                row,
                str(count),
                ha="center",
                va="center",
                fontsize=size,
                color="white" if share[row, column] > 0.5 else "#333333",
            )


def plot_history(history: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Draws loss and accuracy by epoch, for the training and the held-out samples.

    Args:
        history: `History.history` of Keras with `loss`, `val_loss`, `accuracy`, `val_accuracy`.
        title: written above.
    """
    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    for axes, metric, label in zip(
        figure.subplots(1, 2), ("loss", "accuracy"), ("cross-entropy loss", "accuracy"), strict=True
    ):
        _plot_metric(axes, history, metric, label)
    figure.suptitle(title, fontsize=12)
    return figure


def _plot_metric(
    axes: Axes, history: Mapping[str, Sequence[float]], metric: str, label: str
) -> None:
    epochs = np.arange(1, len(history[metric]) + 1)
    marker = "o" if len(epochs) < 4 else None  # a line through one point shows nothing
    axes.plot(epochs, history[metric], color=_BLUE, marker=marker, label="training")
    axes.plot(epochs, history[f"val_{metric}"], color=_ORANGE, marker=marker, label="held out")
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if metric == "accuracy":
        # Room between the last value and 1, where the curve would touch the frame.
        axes.set_ylim(top=1.01)
    else:
        axes.set_ylim(bottom=0.0)
    axes.grid(color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def save_figure(figure: Figure, path: Path) -> Path:
    """Writes a figure as PNG and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=130)
    return path
