"""Labelled data sets for `qstore train`, as NumPy arrays, raw and split.

* `digits`: scikit-learn's `load_digits`, 1,797 images of 8x8 with values from 0 to 16.
* `fashion_mnist`: 70,000 images of 28x28 with values from 0 to 255, through Keras, which
  downloads it or takes it from its cache folder.
* `FILE.npz`: arrays `x` [N, ...] and `y` [N], split 80/20 here; or `x_train`, `y_train`,
  `x_test`, `y_test`, split already.
* `FILE.csv`: a header line, one sample a line, the class in the column `label`, numbers in all
  other columns; split 80/20 here.

Labels may be integers or text. Values stay as they are in the file: scaling is fitted later and
becomes part of the model, so that a saved model predicts from raw data.
"""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qstore_tf.errors import ConfigurationError, InputError, describe, did_you_mean

HELD_OUT = 0.2
BUILT_IN = ("digits", "fashion_mnist")
LABEL_COLUMN = "label"
FASHION_MNIST_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True)
class Dataset:
    """Raw samples and class indices, for training and held out.

    Attributes:
        name: short name, used for folders.
        x_train: raw values, float32 [N, ...].
        y_train: class indices, int64 [N].
        x_test: held-out raw values, float32 [M, ...].
        y_test: held-out class indices, int64 [M].
        class_names: one name per class index.
        value_range: largest possible raw value where all values share one range that starts at
            0 (pixels), `None` where each column has its own.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    value_range: float | None

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.x_train.shape[1:])

    @property
    def n_features(self) -> int:
        """Number of values in one sample."""
        return int(np.prod(self.sample_shape))


def check_source(source: str) -> None:
    """Checks that a data set of this name, or a file, is there, without reading it.

    Raises:
        ConfigurationError: if it is neither a built-in name nor an existing .npz or .csv file.
    """
    if source in BUILT_IN:
        return
    path = Path(source)
    if path.suffix.lower() not in (".npz", ".csv"):
        raise ConfigurationError(
            describe(
                "Unknown data set",
                expected="digits, fashion_mnist, or a file that ends in .npz or .csv",
                received=source,
                hint=did_you_mean(source, BUILT_IN),
            )
        )
    if not path.is_file():
        raise ConfigurationError(
            describe(
                "The data file is not there",
                expected="an existing .npz or .csv file",
                received=str(path.resolve()),
                hint="Check the path given to --data.",
            )
        )


def load(source: str, *, seed: int = 0) -> Dataset:
    """Loads a data set by name or from a file.

    Args:
        source: `digits`, `fashion_mnist`, or a path that ends in .npz or .csv.
        seed: decides which fifth is held out where the data comes unsplit.

    Raises:
        ConfigurationError: if the source is unknown, missing or cannot be downloaded.
        InputError: if the data in it cannot be used.

    >>> load("digits").x_train.shape
    (1437, 8, 8)
    """
    check_source(source)
    if source == "digits":
        return _digits(seed)
    if source == "fashion_mnist":
        return _fashion_mnist()
    path = Path(source)
    return _npz(path, seed) if path.suffix.lower() == ".npz" else _csv(path, seed)


def _digits(seed: int) -> Dataset:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return _split("digits", digits.images, digits.target, seed, value_range=16.0)


def keras_cache_folder() -> Path:
    """The folder from which Keras takes data sets: `$KERAS_HOME` or `~/.keras`, then `datasets`."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()
    if not os.access(home, os.W_OK):
        home = Path("/tmp/.keras")  # what Keras does when it cannot write there
    return home / "datasets"


def _fashion_mnist() -> Dataset:
    from tensorflow import keras

    folder = keras_cache_folder() / "fashion-mnist"
    try:
        (x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
    # Keras wraps a failed download in a bare Exception; a damaged file gives OSError, EOFError
    # or ValueError.
    except Exception as error:
        missing = [name for name in FASHION_MNIST_FILES if not (folder / name).is_file()]
        if not missing:
            raise InputError(
                describe(
                    f"A Fashion-MNIST file in {folder} cannot be read ({error})",
                    expected="the four gzip files " + ", ".join(FASHION_MNIST_FILES),
                    hint="Delete the damaged file, then copy or download it again.",
                )
            ) from error
        raise ConfigurationError(
            describe(
                "Fashion-MNIST is not on this machine and could not be downloaded "
                f"({str(error).strip() or type(error).__name__})",
                expected=f"in the folder {folder} the files " + ", ".join(FASHION_MNIST_FILES),
                hint=f"Missing: {', '.join(missing)}. Download them elsewhere and copy them there, "
                "or use --data digits, which needs no network.",
            )
        ) from error
    return Dataset(
        name="fashion_mnist",
        x_train=x_train.astype(np.float32),
        y_train=y_train.astype(np.int64),
        x_test=x_test.astype(np.float32),
        y_test=y_test.astype(np.int64),
        class_names=FASHION_MNIST_CLASSES,
        value_range=255.0,
    )


def _npz(path: Path, seed: int) -> Dataset:
    expected = "arrays x [N, ...] and y [N]; or x_train, y_train, x_test and y_test"
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            describe(
                f"{path} cannot be read as an .npz file ({error})",
                expected=expected,
                hint="Write it with numpy.savez(FILE, x=..., y=...), without object arrays.",
            )
        ) from error
    if {"x_train", "y_train", "x_test", "y_test"} <= arrays.keys():
        return _presplit(path, arrays)
    if {"x", "y"} <= arrays.keys():
        x = _checked_values(path, arrays["x"])
        return _split(path.stem, x, arrays["y"], seed, value_range=_pixel_range(arrays["x"]))
    raise InputError(
        describe(
            f"{path} lacks the arrays that are needed",
            expected=expected,
            received=sorted(arrays),
            hint="Write it with numpy.savez(FILE, x=..., y=...).",
        )
    )


def _presplit(path: Path, arrays: Mapping[str, np.ndarray]) -> Dataset:
    x_train = _checked_values(path, arrays["x_train"])
    x_test = _checked_values(path, arrays["x_test"])
    if x_train.shape[1:] != x_test.shape[1:]:
        raise InputError(
            describe(
                f"Training and test samples in {path} differ in shape",
                expected=f"x_test of shape [M, {', '.join(map(str, x_train.shape[1:]))}]",
                received=x_test.shape,
            )
        )
    _check_lengths(path.stem, x_train, arrays["y_train"])
    _check_lengths(path.stem, x_test, arrays["y_test"])
    names, indices = np.unique(
        np.concatenate([arrays["y_train"], arrays["y_test"]]), return_inverse=True
    )
    _check_classes(path.stem, names)
    return Dataset(
        name=path.stem,
        x_train=x_train,
        y_train=indices[: len(x_train)].astype(np.int64),
        x_test=x_test,
        y_test=indices[len(x_train) :].astype(np.int64),
        class_names=tuple(str(name) for name in names),
        value_range=_pixel_range(arrays["x_train"]),
    )


def _csv(path: Path, seed: int) -> Dataset:
    rows: list[list[float]] = []
    labels: list[str] = []
    # utf-8-sig: spreadsheet programs put a byte-order mark before the first column's name.
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        try:
            header = [name.strip() for name in next(reader, [])]
            column = _label_column(path, header)
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise InputError(
                        describe(
                            f"Line {reader.line_num} of {path} has the wrong number of columns",
                            expected=len(header),
                            received=len(row),
                        )
                    )
                labels.append(row.pop(column).strip())
                rows.append([_number(path, reader.line_num, text) for text in row])
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(
                describe(f"{path} cannot be read as text ({error})", expected="a UTF-8 CSV file")
            ) from error
    x = _checked_values(path, np.array(rows, dtype=np.float64))
    return _split(path.stem, x, np.array(labels), seed, value_range=None)


def _label_column(path: Path, header: list[str]) -> int:
    if LABEL_COLUMN not in header or len(header) < 2:
        raise InputError(
            describe(
                f"The header line of {path} does not say which column is the class",
                expected=f"a column named '{LABEL_COLUMN}' and at least one column of numbers",
                received=header[:20],
                hint="Add a header line, or rename the class column.",
            )
        )
    return header.index(LABEL_COLUMN)


def _number(path: Path, line: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(
            describe(
                f"Line {line} of {path} has a value that is not a number",
                expected=f"numbers in all columns but '{LABEL_COLUMN}'",
                received=text,
            )
        ) from None


def _checked_values(path: Path, x: np.ndarray) -> np.ndarray:
    if x.ndim < 2 or x.size == 0 or x.dtype.kind not in "biuf":
        raise InputError(
            describe(
                f"The samples in {path} are not a table or a stack of images",
                expected="numbers of shape [N, F] or [N, height, width], N and F at least 1",
                received=f"{x.dtype} of shape {x.shape}",
            )
        )
    values = x.astype(np.float32)
    bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if bad.any():
        raise InputError(
            describe(
                f"{int(bad.sum())} of {len(values)} samples in {path} hold NaN or infinite values",
                expected="finite numbers that fit float32",
                received=f"sample {int(bad.argmax())} (counted from 0)",
                hint="Remove those samples or fill the gaps.",
            )
        )
    return values


def _pixel_range(x: np.ndarray) -> float | None:
    """The value range of images (three or more axes); tables are scaled column by column."""
    if x.ndim < 3:
        return None
    return 255.0 if x.dtype == np.uint8 else float(np.abs(x).max()) or 1.0


def _check_lengths(name: str, x: np.ndarray, y: np.ndarray) -> None:
    if y.ndim != 1 or len(y) != len(x):
        raise InputError(
            describe(
                f"Samples and labels of '{name}' do not match",
                expected=f"labels of shape ({len(x)},), one per sample",
                received=y.shape,
            )
        )
    if y.dtype.kind not in "iuUSb":
        raise InputError(
            describe(
                f"The labels of '{name}' are not classes",
                expected="integers or text",
                received=str(y.dtype),
                hint="Convert them, for example with y.astype(int).",
            )
        )


def _check_classes(name: str, classes: np.ndarray) -> None:
    if len(classes) < 2:
        raise InputError(
            describe(
                f"'{name}' has too few classes to tell apart",
                expected="at least 2 different labels",
                received=classes.tolist(),
            )
        )


def _split(
    name: str, x: np.ndarray, y: np.ndarray, seed: int, *, value_range: float | None
) -> Dataset:
    """Holds out a fifth of each class."""
    from sklearn.model_selection import train_test_split

    _check_lengths(name, x, y)
    names, indices = np.unique(y, return_inverse=True)
    _check_classes(name, names)
    try:
        x_train, x_test, y_train, y_test = train_test_split(
            x.astype(np.float32),
            indices.astype(np.int64),
            test_size=HELD_OUT,
            stratify=indices,
            random_state=seed,
        )
    except ValueError as error:
        counts = {str(n): int(c) for n, c in zip(names, np.bincount(indices), strict=True)}
        raise InputError(
            describe(
                f"'{name}' is too small to hold out a fifth of each class ({error})",
                expected="at least 2 samples of each class, and 5 times as many as classes",
                received=counts,
                hint="Add samples, drop rare classes, or give x_train, y_train, x_test, y_test.",
            )
        ) from error
    return Dataset(
        name=name,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        class_names=tuple(str(label) for label in names),
        value_range=value_range,
    )
