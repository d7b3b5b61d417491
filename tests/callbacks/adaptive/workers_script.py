"""What every worker runs in test_replicas.py. Argument: the directory of the results."""

import json
import sys
from pathlib import Path

import numpy as np
from tensorflow import keras

import qstore_tf as qs
from qstore_tf.distribute.session import current_session

results = Path(sys.argv[1])
strategy = qs.distribute.multi_worker_strategy(seed=3, start_timeout=120)
workers = current_session().workers
assert workers is not None
drawn = np.random.default_rng(0)
x = drawn.uniform(-1, 1, (22, 2)).astype("float32")

with strategy.scope():
    layer = qs.layers.QuantumLayer(1, 2, encoding="amplitude", shots=20, seed=4)
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile(keras.optimizers.Adam(0.1), "mse")
shots = qs.callbacks.AdaptiveShots(4, 8, 32, rule="snr", every=2)
depth = qs.callbacks.AdaptiveDepth(schedule="step")
tolerant = qs.distribute.FaultTolerance(results / "checkpoints", every_steps=1, verbose=0)
options = {"batch_size": 8, "epochs": 4, "verbose": 0, "validation_data": (x, x[:, :1])}
history = model.fit(x, x[:, :1], callbacks=[tolerant, shots, depth], **options).history
found = {
    "shots": history["shots"],
    "depth": history["depth"],
    "state": shots.state,
    "theta": np.asarray(layer.theta).tolist(),
}
(results / f"{workers.group.cluster.index}.json").write_text(json.dumps(found))
print("all done", flush=True)
