"""Trains a hybrid model on images of digits, on all workers together. Put your own script here.

What may be set comes from the environment: settings.env and job.yaml. The same script runs on one
machine, alone or under `qstore launch --workers 2 --`:

    env $(grep -v '^#' k8s/base/settings.env) CHECKPOINTS=runs/ckpt LOGS=runs/logs \
        python k8s/base/train.py
"""

import os
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import qstore_tf as qs

# First: nothing of TensorFlow's may be at work before the workers have met.
strategy = qs.distribute.multi_worker_strategy(
    seed=int(os.environ["SEED"]), start_timeout=float(os.environ["START_TIMEOUT"])
)

from tensorflow import keras  # noqa: E402

checkpoints = Path(os.environ["CHECKPOINTS"], os.environ["RUN"])
logs = Path(os.environ["LOGS"], os.environ["RUN"])
qubits = int(os.environ["QUBITS"])

# 8x8 pixels are the amplitudes of 6 qubits. The order is drawn once, the same on every worker.
images, digits = load_digits(return_X_y=True)
order = np.random.default_rng(int(os.environ["SEED"])).permutation(len(images))
order = order[: int(os.environ["SAMPLES"]) or None]
images, digits = images[order].astype("float32"), digits[order]
held_out = len(images) // 5

with strategy.scope():
    model = keras.Sequential(
        [
            keras.Input((64,)),
            qs.layers.QuantumLayer(
                n_qubits=qubits,
                depth=int(os.environ["DEPTH"]),
                encoding="amplitude",
                backend=os.environ["BACKEND"],
            ),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(float(os.environ["LEARNING_RATE"])),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )

model.fit(
    images[held_out:],
    digits[held_out:],
    validation_data=(images[:held_out], digits[:held_out]),
    batch_size=int(os.environ["BATCH_SIZE"]),
    epochs=int(os.environ["EPOCHS"]),
    shuffle=False,
    verbose=2,
    callbacks=[
        qs.distribute.FaultTolerance(checkpoints, every_steps=int(os.environ["SAVE_EVERY_STEPS"])),
        qs.callbacks.QuantumTensorBoard(logs),
    ],
)

if strategy.extended.should_checkpoint:  # worker 0
    model.save(checkpoints / "model.keras")
    print(f"Saved {checkpoints / 'model.keras'}", flush=True)
