"""Data sets: what is accepted, how it is split, and what each mistake is called."""

import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.training import data


def save_npz(folder: Path, **arrays: np.ndarray) -> str:
    path = folder / "samples.npz"
    np.savez(path, **arrays)
    return str(path)


def save_csv(folder: Path, text: str, encoding: str = "utf-8") -> str:
    path = folder / "samples.csv"
    path.write_text(text, encoding=encoding)
    return str(path)


def test_digits_hold_out_a_fifth_of_every_class() -> None:
    digits = data.load("digits", seed=3)
    assert digits.x_train.shape == (1437, 8, 8)
    assert digits.x_test.shape == (360, 8, 8)
    assert digits.x_train.max() == digits.value_range == 16.0
    everyone = np.bincount(np.concatenate([digits.y_train, digits.y_test]))
    np.testing.assert_allclose(np.bincount(digits.y_test), everyone / 5, atol=1.0)


def test_the_seed_decides_the_split_and_nothing_else_does() -> None:
    first, again, other = (data.load("digits", seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.x_test, again.x_test)
    assert not np.array_equal(first.x_test, other.x_test)


@settings(max_examples=20, deadline=None)
@given(
    n_classes=st.integers(2, 5),
    per_class=st.integers(5, 12),
    shape=st.sampled_from([(3,), (4, 5), (2, 3, 1)]),
    text_labels=st.booleans(),
)
def test_a_split_loses_no_sample_and_keeps_each_with_its_label(
    tmp_path_factory: pytest.TempPathFactory,
    n_classes: int,
    per_class: int,
    shape: tuple[int, ...],
    text_labels: bool,
) -> None:
    classes = np.repeat(np.arange(n_classes), per_class)
    # The first value of each sample is unique and tells the label.
    x = np.zeros((len(classes), *shape), np.float32)
    x.reshape(len(x), -1)[:, 0] = np.arange(len(x)) + 1
    y = np.array([f"class {c}" for c in classes]) if text_labels else classes * 7
    loaded = data.load(save_npz(tmp_path_factory.mktemp("npz"), x=x, y=y))
    assert loaded.sample_shape == shape
    assert loaded.class_names == tuple(str(name) for name in np.unique(y))
    seen = []
    for samples, labels in (
        (loaded.x_train, loaded.y_train),
        (loaded.x_test, loaded.y_test),
    ):
        keys = samples.reshape(len(samples), -1)[:, 0].astype(int)
        assert [loaded.class_names[i] for i in labels] == [str(y[k - 1]) for k in keys]
        seen += keys.tolist()
    assert sorted(seen) == list(range(1, len(x) + 1))


def test_arrays_that_are_split_already_stay_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (6, 4, 4)).astype(np.uint8),
        "y_train": np.array([5, 9, 5, 9, 5, 9]),
        "x_test": rng.integers(0, 256, (2, 4, 4)).astype(np.uint8),
        "y_test": np.array([9, 5]),
    }
    loaded = data.load(save_npz(tmp_path, **arrays))
    np.testing.assert_array_equal(loaded.x_train, arrays["x_train"])
    np.testing.assert_array_equal(loaded.x_test, arrays["x_test"])
    assert loaded.y_test.tolist() == [1, 0]
    assert loaded.class_names == ("5", "9")
    assert loaded.value_range == 255.0


def test_a_csv_file_gives_numbers_and_labels_wherever_the_label_column_stands(
    tmp_path: Path,
) -> None:
    lines = ["width,label,height"] + [
        f"{i},{'cat' if i % 2 else 'dog'},{-i / 2}" for i in range(20)
    ]
    # Spreadsheet programs put a byte-order mark first and leave empty lines at the end.
    loaded = data.load(save_csv(tmp_path, "\n".join(lines) + "\n\n", encoding="utf-8-sig"))
    assert loaded.class_names == ("cat", "dog")
    assert loaded.value_range is None
    for x, y in ((loaded.x_train, loaded.y_train), (loaded.x_test, loaded.y_test)):
        np.testing.assert_allclose(x[:, 1], -x[:, 0] / 2)
        assert [loaded.class_names[i] for i in y] == ["cat" if v % 2 else "dog" for v in x[:, 0]]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("digit", "Did you mean 'digits'"),
        ("photo.png", "ends in .npz or .csv"),
        ("nowhere/data.npz", "nowhere/data.npz"),
    ],
)
def test_a_source_that_is_not_there_is_named(source: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        data.load(source)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'label'"),
        ("a,b\n1,2\n", "'label'"),
        ("label\ncat\n", "'label'"),
        ("a,label\n1,x\n2\n", "Line 3"),
        ("a,label\n1,x\none,y\n", "Line 3.*'one'"),
        ("a,label\n", "not a table"),
        ("a,label\nnan,x\n1,y\n", "NaN"),
        ("a,label\n" + "1,x\n" * 20, "at least 2 different labels"),
        ("a,label\n1,x\n2,y\n3,x\n", "too small"),
    ],
)
def test_each_mistake_in_a_csv_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        data.load(save_csv(tmp_path, text))


def test_a_csv_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_bytes(b"\xff\xfe\x00\x80,label\n")
    with pytest.raises(InputError, match="UTF-8"):
        data.load(str(path))


X, Y = np.zeros((20, 3)), np.arange(20) % 2


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": X}, r"Received: \['a'\]"),
        ({"x": X, "y": Y[:-1]}, "do not match"),
        ({"x": X, "y": Y * 0.5}, "not classes"),
        ({"x": np.array(["a"] * 20)[:, None], "y": Y}, "not a table"),
        ({"x": X[:, 0], "y": Y}, "not a table"),
        ({"x": np.full((20, 3), np.inf), "y": Y}, "infinite"),
        ({"x": np.full((20, 3), 1e300), "y": Y}, "float32"),
        ({"x": X, "y": np.array([object()] * 20)}, "object arrays"),
        ({"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y}, "differ in shape"),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y[:3]}, "do not match"),
    ],
)
def test_each_mistake_in_an_npz_file_is_named(
    tmp_path: Path, arrays: dict[str, np.ndarray], words: str
) -> None:
    with pytest.raises(InputError, match=words), np.errstate(over="ignore"):
        data.load(save_npz(tmp_path, **arrays))


def test_a_file_that_only_claims_to_be_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.npz"
    path.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(InputError, match="numpy.savez"):
        data.load(str(path))


# --- Fashion-MNIST: Keras reads KERAS_HOME when it is imported, hence the new processes. ---

LOAD = """
from qstore_tf.errors import QstoreError
from qstore_tf.training.data import load
try:
    data = load("fashion_mnist")
    print("LOADED", data.x_train.shape, data.x_test.shape)
    print("CLASSES", data.class_names[9], data.y_test.tolist())
    print("FIRST", int(data.x_train[0, 0, 0]), int(data.x_train[-1, -1, -1]), data.value_range)
except QstoreError as error:
    print(type(error).__name__, error)
"""


def load_fashion_mnist(keras_home: Path) -> str:
    # A proxy that refuses at once stands for a machine without network.
    environment = {
        **os.environ,
        "KERAS_HOME": str(keras_home),
        "https_proxy": "http://127.0.0.1:9",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def place_fashion_mnist(folder: Path, n_train: int, n_test: int) -> None:
    folder.mkdir(parents=True)
    for prefix, n in (("train", n_train), ("t10k", n_test)):
        pixels = (np.arange(n * 784) % 251).astype(np.uint8)
        with gzip.open(folder / f"{prefix}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">IIII", 2051, n, 28, 28) + pixels.tobytes())
        with gzip.open(folder / f"{prefix}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">II", 2049, n) + (np.arange(n) % 10).astype(np.uint8).tobytes())


@pytest.mark.slow
def test_without_network_fashion_mnist_names_the_files_and_where_to_place_them(
    tmp_path: Path,
) -> None:
    said = load_fashion_mnist(tmp_path)
    assert "ConfigurationError" in said
    assert str(tmp_path / "datasets" / "fashion-mnist") in said
    assert all(name in said for name in data.FASHION_MNIST_FILES)
    assert "--data digits" in said


@pytest.mark.slow
def test_files_placed_where_the_error_says_are_used(tmp_path: Path) -> None:
    place_fashion_mnist(tmp_path / "datasets" / "fashion-mnist", n_train=12, n_test=3)
    said = load_fashion_mnist(tmp_path)
    assert "LOADED (12, 28, 28) (3, 28, 28)" in said
    assert "CLASSES Ankle boot [0, 1, 2]" in said
    assert f"FIRST 0 {(12 * 784 - 1) % 251} 255.0" in said


@pytest.mark.slow
def test_a_damaged_fashion_mnist_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "datasets" / "fashion-mnist"
    place_fashion_mnist(folder, n_train=12, n_test=3)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"not gzip at all")
    said = load_fashion_mnist(tmp_path)
    assert "InputError" in said and "cannot be read" in said and "Delete" in said
