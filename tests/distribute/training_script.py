"""What workers run in test_recovery.py: one training, with faults that the environment asks for.

Arguments: the directory of results and checkpoints. Environment: `KILL` ("worker,step,signal"),
`SEED`, `SAMPLES`, `EPOCHS`, `ONLY_CHIEF` (what the chief does alone), `START_TIMEOUT`.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow import keras

import qstore_tf as qs
from qstore_tf.distribute.session import current_session

directory = Path(sys.argv[1])
strategy = qs.distribute.multi_worker_strategy(
    seed=int(os.environ.get("SEED", "3")),
    start_timeout=float(os.environ.get("START_TIMEOUT", "120")),
)
workers = current_session().workers
assert workers is not None
index = workers.group.cluster.index
print("begins", flush=True)

samples = int(os.environ.get("SAMPLES", "70"))
drawn = np.random.default_rng(0)
x = drawn.uniform(-1, 1, (samples, 3)).astype("float32")
y = drawn.uniform(-1, 1, (samples, 1)).astype("float32")

with strategy.scope():
    layer = qs.layers.QuantumLayer(3, 1)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.2), layer, keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.05), "mse", metrics=["mae"])


class Fault(keras.callbacks.Callback):
    """Sends this process a signal after a step, the first time only."""

    steps = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        Fault.steps += 1
        print(f"step {Fault.steps}", flush=True)
        if os.environ.get("EXIT") == f"{index},{Fault.steps}":
            sys.exit(3)
        who, step, number = (int(word) for word in os.environ.get("KILL", "-1,0,0").split(","))
        if (who, step) == (index, Fault.steps) and not (directory / "killed").exists():
            (directory / "killed").touch()
            os.kill(os.getpid(), number)
        if "SLOWLY" in os.environ:
            time.sleep(0.1)


if os.environ.get("ONLY_CHIEF") == "evaluate" and index == 0:
    model.evaluate(x, y, verbose=0)
model.fit(
    x,
    y,
    batch_size=16,
    epochs=int(os.environ.get("EPOCHS", "4")),
    verbose=0,
    callbacks=[
        qs.distribute.FaultTolerance(directory / "checkpoints", every_steps=2),
        keras.callbacks.ModelCheckpoint(str(directory / "kept.keras")),
        Fault(),
    ],
)
weights = [np.asarray(weight) for weight in model.get_weights()]
np.savez(directory / f"{index}.npz", *weights)
if os.environ.get("ONLY_CHIEF") == "predict" and index == 0:
    loaded = keras.models.load_model(str(directory / "kept.keras"))
    print("predicted", loaded.predict(x, verbose=0).shape, flush=True)
print("all done", flush=True)
if "DIES_LAST" in os.environ:
    time.sleep(1)
    os.kill(os.getpid(), 9)
