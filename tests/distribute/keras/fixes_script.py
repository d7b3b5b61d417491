"""What test_fixes.py runs: each case on two replicas, without the fixes and with them.

Two CPU devices of one process are the replicas; what is expected comes from the same model without
a strategy. Prints a JSON object: for each case what went wrong without the fixes and with them,
None where nothing did, and for random cases their options. The seed is that of the day.
"""

import json
import traceback
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf

device = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)

from tensorflow import keras  # noqa: E402
from tensorflow.python.distribute import collective_all_reduce_strategy  # noqa: E402

import qstore_tf as qs  # noqa: E402
from qstore_tf.distribute.keras import fixes  # noqa: E402
from qstore_tf.distribute.keras.patching import LEGACY  # noqa: E402
from qstore_tf.testing.daily import daily_seed  # noqa: E402

# Graphs this small are made in more time than they run.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
STRATEGY = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
RANDOM_CASES = 2
optimizers, layers = keras.optimizers, keras.layers
keras.backend.set_floatx("float64")
drawn = np.random.default_rng([daily_seed(), LEGACY])
X = np.random.default_rng(0).normal(size=(24, 3))
Y = 4 * np.stack([3 * X[:, 0] - X[:, 1], X[:, 2]], 1)


class Case:
    """A model, and the data of its training.

    Args:
        make: Makes the compiled model.
        x: Inputs, as `fit` takes them; further arguments are those of `fit`.
        logs: Whether the logs are compared too.
    """

    def __init__(self, make: Callable[[], Any], x: Any, logs: bool = True, **fit: Any) -> None:
        self.make, self.x, self.logs, self.fit = make, x, logs, fit
        self.expected: list[np.ndarray] | None = None

    def train(self) -> list[np.ndarray]:
        keras.utils.set_random_seed(3)
        x = self.x() if callable(self.x) else self.x
        model = self.make()
        history = model.fit(x, epochs=2, shuffle=False, verbose=0, **self.fit).history
        found = [np.asarray(weight) for weight in model.get_weights()]
        if self.logs:
            found += [np.asarray(history[name]) for name in sorted(history)]
            if "y" in self.fit:
                found.append(np.asarray(model.evaluate(x, verbose=0, **self.fit)))
        return found

    def check(self) -> None:
        if self.expected is None:
            self.expected = self.train()
        with STRATEGY.scope():
            found = self.train()
        for one, other in zip(found, self.expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def dense(make_optimizer: Callable[[], Any], **options: Any) -> Callable[[], Any]:
    def make() -> Any:
        hidden = layers.Dense(3, activation="tanh", kernel_regularizer="l2")
        model = keras.Sequential([keras.Input((3,)), hidden, layers.Dense(2)])
        model.compile(make_optimizer(), **{"loss": "mse", **options})
        return model

    return make


def fitted(n: int, make_optimizer: Callable[[], Any], **options: Any) -> Case:
    return Case(dense(make_optimizer, **options), X[:n], y=Y[:n], batch_size=8)


def sgd(**options: Any) -> Callable[[], Any]:
    return lambda: optimizers.SGD(0.1, **options)


def drawn_batches() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((X[:21], Y[:21])).shuffle(21, seed=4).batch(3)


def two_outputs(loss: Any, n: int = 21) -> Case:
    def make() -> Any:
        inputs = keras.Input((3,))
        outputs = [layers.Dense(1, name="a")(inputs), layers.Dense(2, name="b")(inputs)]
        model = keras.Model(inputs, outputs)
        metrics = [["mae"], ["mse"]]
        model.compile(sgd()(), [loss, "mae"], loss_weights=[0.3, 2.0], metrics=metrics)
        return model

    weights = [drawn.uniform(0, 2, n), drawn.uniform(0, 2, n)]
    if LEGACY:
        return Case(make, X[:n], y=[Y[:n, :1], Y[:n]], batch_size=8)
    return Case(make, X[:n], y=[Y[:n, :1], Y[:n]], sample_weight=weights, batch_size=8)


def masked() -> Case:
    words = drawn.integers(0, 3, (16, 5))
    words[4:8, 1:] = 0  # the second replica has less than the first
    words[:4], words[:, 0] = 1, 2

    def make() -> Any:
        embedding = layers.Embedding(3, 2, mask_zero=True)
        model = keras.Sequential([keras.Input((5,), dtype="int32"), embedding, layers.Dense(2)])
        model.compile(sgd()(), "mse")
        return model

    return Case(make, words, y=drawn.normal(size=(16, 5, 2)), batch_size=8)


def overflowing() -> Case:
    x = X.copy()
    x[6] = np.inf  # in the share of the second replica
    make = dense(lambda: optimizers.LossScaleOptimizer(optimizers.SGD(0.1)))
    return Case(make, x, logs=False, y=Y, batch_size=8)


class SeveralWorkers(Case):
    """One process stands for several workers: the code that Keras takes for them is what fails."""

    def check(self) -> None:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        extended = collective_all_reduce_strategy.CollectiveAllReduceExtended
        several = mock.patch.object(extended, "_in_multi_worker_mode", lambda self: True)
        with several, strategy.scope():
            self.train()


# What Keras gets wrong, and the fixes put right.
if LEGACY:
    NEEDED = {
        "uneven shares": fitted(21, sgd()),
        "uneven shares, legacy optimizer": fitted(21, lambda: optimizers.legacy.SGD(0.1)),
    }
    RIGHT = {"losses of outputs": two_outputs("mse")}
else:
    by_weights = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    NEEDED = {
        "uneven shares": fitted(21, sgd()),
        "steps per execution": fitted(24, sgd(), steps_per_execution=2),
        "the first batch is drawn and reduced": Case(dense(sgd()), drawn_batches),
        "logs of several workers": SeveralWorkers(
            dense(sgd(), metrics=["mae"]), X, logs=False, y=Y, batch_size=8
        ),
        "losses of outputs": two_outputs("mse"),
        "means by sample weights": two_outputs(by_weights, 24),
        "masks": masked(),
        "clipping": fitted(24, sgd(clipnorm=0.5)),
        "accumulation": fitted(24, sgd(gradient_accumulation_steps=2)),
        "averaged weights": fitted(24, sgd(use_ema=True, ema_overwrite_frequency=2)),
        "overflow": overflowing(),
    }
    # Also: a sum is the sum of the shares' sums, whatever their sizes; one may have no samples.
    RIGHT = {
        "averages of accumulated steps": fitted(
            24,
            sgd(gradient_accumulation_steps=2, use_ema=True, ema_overwrite_frequency=2),
        ),
        "sums": two_outputs(keras.losses.MeanSquaredError(reduction="sum")),
        "one sample for two replicas": two_outputs("mse", 17),
    }


def random_case() -> tuple[str, Case]:
    """Any optimizer with any of its options."""
    options: dict[str, Any] = {}
    clip = str(drawn.choice(["", "clipnorm", "global_clipnorm", "clipvalue"]))
    if clip:
        options[clip] = float(drawn.uniform(0.1, 0.8))
    if drawn.random() < 0.5:
        every = int(drawn.integers(1, 4)) if drawn.random() < 0.6 else None
        options |= {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": every}
    if drawn.random() < 0.5:
        options["weight_decay"] = 0.05
    if not LEGACY and drawn.random() < 0.5:
        options["gradient_accumulation_steps"] = int(drawn.integers(2, 4))
    kinds = ["SGD", "Adam", "AdamW", "RMSprop", "Nadam", "Adagrad", "Adamax", "Ftrl"]
    # The metric of the natural gradient weighs uneven shares alike.
    kind = str(drawn.choice(kinds if LEGACY else [*kinds, *["QuantumNaturalGradient"] * 3]))
    n = 24 if kind == "QuantumNaturalGradient" else int(drawn.integers(17, 25))
    scaled = kind != "QuantumNaturalGradient" and drawn.random() < 0.4
    if kind == "AdamW":
        options.setdefault("weight_decay", 0.004)
    if kind == "QuantumNaturalGradient":
        options |= {"classical": "sgd", "reuse_steps": 1}

    def make_optimizer() -> Any:
        owner = qs.optimizers if kind == "QuantumNaturalGradient" else optimizers
        made = getattr(owner, kind)(0.05, **options)
        if not scaled:
            return made
        return (keras.mixed_precision if LEGACY else optimizers).LossScaleOptimizer(made)

    def make() -> Any:
        constraint = keras.constraints.MaxNorm(0.7)
        first = layers.Dense(2, activation="tanh", kernel_constraint=constraint)
        quantum = [qs.layers.QuantumLayer(2, 1)] if kind == "QuantumNaturalGradient" else []
        model = keras.Sequential([keras.Input((3,)), first, *quantum, layers.Dense(2)])
        model.compile(make_optimizer(), "mse", metrics=["mae"])
        return model

    words = f"{kind} {options} loss scale: {scaled}, {n} samples"
    return words, Case(make, X[:n], y=Y[:n], batch_size=8)


def problem(case: Case) -> str | None:
    try:
        case.check()
    except Exception:
        return traceback.format_exc()[-3000:]
    return None


without = {name: problem(case) for name, case in NEEDED.items()}
fixes.apply()
fixes.apply()  # a second time changes nothing
fixed = {name: problem(case) for name, case in {**NEEDED, **RIGHT}.items()}
at_random = dict(random_case() for _ in range(RANDOM_CASES))
random = {words: problem(case) for words, case in at_random.items()}
print("\n" + json.dumps({"without": without, "fixed": fixed, "random": random}))
