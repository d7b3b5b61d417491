"""Makes the pictures of docs/tensorboard.md: trains a model and looks at it in Chromium.

    python docs/screenshots.py

Needs Chromium with its driver (`apt-get install chromium chromium-driver`) and selenium.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "callbacks")]

import browser  # noqa: E402

# Page of TensorBoard, a text that is on it once it is drawn, and the name of the picture.
PAGES = (
    ("custom_scalars", "Circuits per second", "tensorboard_custom_scalars"),
    ("images", "circuit/circuit", "tensorboard_circuit"),
    ("text", "trained angles", "tensorboard_text"),
    ("histograms", "circuit/theta", "tensorboard_histograms"),
)


def main() -> None:
    """Trains, opens each page and writes its picture into docs/images."""
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder))
        with browser.dashboard(Path(folder)) as url, browser.chromium(1400, 1150) as driver:
            for page, text, name in PAGES:
                browser.open_page(driver, url, page)
                browser.wait_for(lambda text=text: text in browser.texts(driver))
                if page == "images":
                    actual_size(driver)
                time.sleep(5)  # charts grow into place
                save(driver.get_screenshot_as_png(), ROOT / "docs" / "images" / f"{name}.png")


def actual_size(driver: Any) -> None:
    """Ticks 'Show actual image size'."""
    boxes = browser.elements(driver, "paper-checkbox, tf-runs-selector paper-checkbox")
    boxes[0].click()


def train(folder: Path) -> None:
    """A classifier of digits with a circuit on 4 qubits."""
    from sklearn.datasets import load_digits
    from tensorflow import keras

    import qstore_tf as qs

    keras.utils.set_random_seed(1)
    digits = load_digits()
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(4, activation="tanh"),
            qs.layers.QuantumLayer(
                4, depth=3, observables=["ZIII", "IZII", "IIZI", "IIIZ", "ZZZZ"], name="circuit"
            ),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    board = qs.callbacks.QuantumTensorBoard(folder, every=25)
    features, labels = (digits.data / 16).astype("float32"), digits.target
    model.fit(features, labels, epochs=15, validation_split=0.2, callbacks=[board], verbose=0)


def save(png: bytes, path: Path) -> None:
    """Writes a picture with 64 colours, which is small."""
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(96, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path, np.round(path.stat().st_size / 1024), "kB")


if __name__ == "__main__":
    main()
