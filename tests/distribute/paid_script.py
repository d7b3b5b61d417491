"""Trains on a machine under a budget with FaultTolerance; may kill itself after some steps.

    python paid_script.py FOLDER URL STEPS

Prints what the account said when it began, and when it ended.
"""

import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np

import qstore_tf as qs
from qstore_tf.ionq.money import Budget


class Killed(keras.callbacks.Callback):
    """Ends the process at once after some steps."""

    def __init__(self, steps):
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def main():
    folder, url, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    budget = Budget(usd=5000, path=folder / "budget.sqlite")
    print("begins", budget.spent.money, flush=True)
    machine = qs.backends.IonQ(
        "qpu.forte-1",
        shots=100,
        budget=budget,
        prices="azure",
        journal=folder / "journal.sqlite",
        url=url,
        api_key="any",
    )
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            qs.layers.QuantumLayer(
                2, 1, encoding="angle", backend=machine, gradient="parameter_shift"
            ),
        ]
    )
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    tolerant = qs.distribute.FaultTolerance(folder / "checkpoints", every_steps=1)
    model.fit(
        x, np.zeros((4, 2)), batch_size=2, epochs=2, verbose=0, callbacks=[tolerant, Killed(steps)]
    )
    print("ends", budget.spent.money, budget.reserved.money, flush=True)


if __name__ == "__main__":
    main()
