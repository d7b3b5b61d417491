"""Reports: counts are right, pictures are pictures, at every size that occurs."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from qstore_tf.errors import InputError
from qstore_tf.training.report import (
    confusion_matrix,
    plot_confusion_matrix,
    plot_history,
    save_figure,
)


@settings(max_examples=30, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=80),
)
def test_the_confusion_matrix_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    np.testing.assert_array_equal(
        confusion_matrix(truth, predicted, 6),
        sklearn_confusion_matrix(truth, predicted, labels=range(6)),
    )


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(InputError, match="differ in length"):
        confusion_matrix(np.zeros(3, int), np.zeros(2, int), 2)


@pytest.mark.slow
@pytest.mark.parametrize("names", [("no", "yes"), tuple("0123456789"), ("a very long name",) * 45])
def test_a_confusion_matrix_of_any_size_becomes_a_picture(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    counts = np.random.default_rng(0).integers(0, 9, (len(names), len(names)))
    path = save_figure(plot_confusion_matrix(counts, names, "title"), tmp_path / "sub" / "m.png")
    picture = imread(path)
    assert min(picture.shape[:2]) > 300
    assert picture.std() > 0.05  # something was drawn


@pytest.mark.parametrize("epochs", [1, 30])
def test_a_history_of_any_length_becomes_a_picture(tmp_path: Path, epochs: int) -> None:
    values = np.linspace(2.0, 0.1, epochs).tolist()
    history = {name: values for name in ("loss", "val_loss", "accuracy", "val_accuracy")}
    figure = plot_history(history, "title")
    loss, accuracy = figure.axes
    assert [line.get_label() for line in loss.lines] == ["training", "held out"]
    assert accuracy.get_ylabel() == "accuracy"
    assert imread(save_figure(figure, tmp_path / "h.png")).std() > 0.05
