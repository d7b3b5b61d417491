"""What every worker runs in test_agreement.py: trains several models and writes what came out.

Arguments: the directory of the results, and `plain` for no strategy at all.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

import qstore_tf as qs
from qstore_tf.distribute.session import current_session

results = Path(sys.argv[1])
plain = "plain" in sys.argv
strategy = None if plain else qs.distribute.multi_worker_strategy(seed=3, start_timeout=120)
index = 0 if plain else current_session().workers.group.cluster.index  # type: ignore[union-attr]
scope = contextlib.nullcontext if strategy is None else strategy.scope
found: dict[str, np.ndarray] = {}

drawn = np.random.default_rng(0)
x = drawn.uniform(-1, 1, (53, 3)).astype("float32")
y = np.tanh(x @ drawn.normal(size=(3, 2))).astype("float32")


class Subclassed(keras.Model):
    """A model of its own class, with a loss of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.before = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.01))
        self.quantum = qs.layers.QuantumLayer(3, 1)
        self.after = keras.layers.Dense(2)

    def call(self, inputs: Any) -> Any:
        return self.after(self.quantum(self.before(inputs)))


def sequential(backend: str) -> keras.Model:
    layer = qs.layers.QuantumLayer(3, 2, backend=backend)
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(3), layer, keras.layers.Dense(2)]
    )


def functional() -> keras.Model:
    inputs = keras.Input((3,))
    state = qs.layers.AmplitudeEncoding(2)(keras.layers.Dense(4)(inputs))
    state = qs.layers.QuantumLayer(2, 1)(state)
    values = qs.layers.ExpectationValue()(state)
    return keras.Model(inputs, keras.layers.Dense(2)(values))


def two_outputs() -> keras.Model:
    inputs = keras.Input((3,))
    values = qs.layers.QuantumLayer(3, 1)(inputs)
    outputs = [keras.layers.Dense(1, name="one")(values), keras.layers.Dense(2, name="two")(values)]
    return keras.Model(inputs, outputs)


def trained(
    name: str, make: Any, data: dict[str, Any], sgd: Any = None, **options: Any
) -> keras.Model:
    keras.utils.set_random_seed(3)
    with scope():
        model = make()
        if not model.built:
            model.build((None, 3))
        optimizer = keras.optimizers.SGD(0.2, momentum=0.9, **(sgd or {}))
        model.compile(optimizer, **{"loss": "mse", "metrics": ["mae"], **options})
    history = model.fit(**data, epochs=2, verbose=0).history
    for key, values in history.items():
        found[f"{name}/history/{key}"] = np.asarray(values)
    for number, weight in enumerate(model.get_weights()):
        found[f"{name}/weights/{number}"] = np.asarray(weight)
    return model


arrays = {"x": x, "y": y, "batch_size": 16}
validated = {**arrays, "validation_data": (x[:19], y[:19])}
model = trained("native, arrays", lambda: sequential("native"), validated)
found["evaluate"] = np.asarray(model.evaluate(x, y, batch_size=16, verbose=0))
found["predict"] = np.asarray(model.predict(x, batch_size=16, verbose=0))

elements = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(53, seed=2)
stream = {"x": elements.repeat().batch(16), "steps_per_epoch": 4}
trained("tensorflow, stream", lambda: sequential("tensorflow"), stream, steps_per_execution=3)

weights = drawn.uniform(0, 2, 53).astype("float32")
elements = tf.data.Dataset.from_tensor_slices((x, y, weights)).take(49).shuffle(49, seed=1)
trained("states, sample weights", functional, {"x": elements.batch(16)})

divides = {"x": x[:48], "y": y[:48], "batch_size": 16}
trained("arrays that divide evenly", lambda: sequential("auto"), divides)

even = tf.data.Dataset.from_tensor_slices((x, y)).batch(16, drop_remainder=True)
trained("subclassed, without remainder", Subclassed, {"x": even})

sgd = {"clipnorm": 0.3, "use_ema": True, "ema_overwrite_frequency": 3}
if not keras.Model.__module__.startswith("tf_keras"):
    sgd["gradient_accumulation_steps"] = 2
outputs = {"x": x, "y": [y[:, :1], y], "batch_size": 16, "validation_data": (x, [y[:, :1], y])}
losses = {"loss": ["mse", "mae"], "loss_weights": [0.3, 2.0], "metrics": [["mae"], ["mse"]]}
trained("two outputs, clipped", two_outputs, outputs, sgd, **losses)

path = results / f"model-{index}{'-plain' if plain else ''}.keras"
model.save(path)
loaded = keras.models.load_model(path)
found["loaded/predict"] = np.asarray(loaded(x))

# What this worker gets of a dataset, by element and by file.
shares: dict[str, list[int]] = {}
if strategy is not None:
    policies = tf.data.experimental.AutoShardPolicy
    numbers = tf.data.Dataset.range(23)
    files = sorted(str(path) for path in results.glob("*.txt"))
    lines = tf.data.Dataset.from_tensor_slices(files).interleave(tf.data.TextLineDataset)
    lines = lines.map(lambda line: tf.strings.to_number(line, tf.int64))
    for name, policy in (("element", policies.DATA), ("file", policies.FILE)):
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = policy
        whole = (numbers if name == "element" else lines).batch(4).with_options(options)
        shares[name] = []
        for batch in strategy.experimental_distribute_dataset(whole):
            for values in strategy.experimental_local_results(batch):
                shares[name] += np.asarray(values).tolist()

name = f"{'plain' if plain else os.environ['RUN']}-{index}"
np.savez(results / f"{name}.npz", **{key.replace("/", "|"): value for key, value in found.items()})
(results / f"{name}.json").write_text(json.dumps(shares))
print("all done", flush=True)
