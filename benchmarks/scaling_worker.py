"""One worker of the scaling benchmarks: does what it is asked on standard input, answers in JSON.

Started by `scaling_group.py`, which sets TF_CONFIG. It joins the others with
`multi_worker_strategy`, as any training script does, compiles one hybrid model, and then waits for
requests, one JSON object a line. It ends with its input, so that none is left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import measure

FEATURES, HIDDEN, QUBITS, DEPTH, CLASSES = 64, 256, 12, 4, 10
# Steps of a fit that are not timed: the pipeline fills, the workers fall into step.
WARM_STEPS = 3


def main() -> int:
    """Answers requests until the input ends."""
    parser = argparse.ArgumentParser(description="A worker of the scaling benchmarks.")
    parser.add_argument("--core", type=int, required=True, help="processor to run on")
    arguments = parser.parse_args()
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # Whatever prints does not come between the replies.
    os.sched_setaffinity(0, [arguments.core])
    measure.limit_threads(1)
    requests = _requests()
    worker = Worker()
    print(json.dumps(worker.facts()), file=replies)
    doing: dict[str, Callable[..., Any]] = {
        "fit": worker.fit,
        "all_reduce": worker.all_reduce,
        "collectives": worker.collectives.of_a_step,
    }
    while (request := requests.get()) is not None:
        print(json.dumps(doing[request.pop("do")](**request)), file=replies)
    return 0


class Worker:
    """The strategy, the model and what is measured with them."""

    def __init__(self) -> None:
        """Meets the other workers; compiles the model."""
        import tensorflow as tf
        from tensorflow import keras

        import qstore_tf as qs

        keep_iterators()
        self.collectives = Collectives()
        self.strategy = qs.distribute.multi_worker_strategy(start_timeout=120)
        self.tf, self.keras = tf, keras
        with self.strategy.scope():
            self.model = keras.Sequential(
                [
                    keras.Input((FEATURES,)),
                    keras.layers.Dense(HIDDEN, activation="relu"),
                    keras.layers.Dense(QUBITS, activation="tanh"),
                    qs.layers.QuantumLayer(n_qubits=QUBITS, depth=DEPTH),
                    keras.layers.Dense(CLASSES),
                ]
            )
            self.model.compile(
                keras.optimizers.Adam(1e-3),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            )
        self._most: Any = None
        self._sums: dict[tuple[int, int], Any] = {}

    def facts(self) -> dict[str, Any]:
        """What the reader of the tables should know."""
        return {
            "workers": self.strategy.num_replicas_in_sync,
            "weights": int(self.model.count_params()),
            "versions": {
                "TensorFlow": self.tf.__version__,
                "Keras": self.keras.__version__,
                "Python": sys.version.split()[0],
            },
        }

    def fit(self, batch: int, steps: int) -> dict[str, Any]:
        """Seconds of each step of a `model.fit`, `batch` samples per worker and step."""
        clock = _clock(self.keras)
        total = batch * self.strategy.num_replicas_in_sync
        inputs, labels = self._arrays(total * (steps + WARM_STEPS))
        # Traced for one size of batch, as in a script that trains with one.
        self.model.make_train_function(force=True)
        self.model.fit(
            inputs, labels, batch_size=total, shuffle=False, verbose=0, callbacks=[clock]
        )
        ends, cpu = clock.ends[WARM_STEPS - 1 :], clock.cpu[WARM_STEPS - 1 :]
        return {
            "steps": [later - earlier for earlier, later in zip(ends, ends[1:], strict=False)],
            "cpu": (cpu[-1] - cpu[0]) / steps,
            "collectives": self.collectives.of_a_step(),
        }

    def _arrays(self, samples: int) -> Any:
        """Inputs [samples, FEATURES] and labels [samples]."""
        import numpy as np

        if self._most is None or len(self._most[0]) < samples:
            rng = np.random.default_rng(0)
            inputs = rng.random((samples, FEATURES), dtype=np.float32)
            self._most = inputs, rng.integers(0, CLASSES, samples)
        return self._most[0][:samples], self._most[1][:samples]

    def all_reduce(self, size: int, repeats: int, count: int = 1) -> dict[str, Any]:
        """Seconds of an all-reduce of `size` bytes, several one after the other in a graph."""
        sums = self._sums.setdefault((size, count), self._all_reduces(size, count))
        sums(2)
        started, cpu = time.perf_counter(), time.process_time()
        sums(repeats)
        each = repeats * count
        return {
            "seconds": (time.perf_counter() - started) / each,
            "cpu": (time.process_time() - cpu) / each,
        }

    def _all_reduces(self, size: int, count: int) -> Callable[[int], Any]:
        tf = self.tf

        def in_replica(value: Any) -> Any:
            context = tf.distribute.get_replica_context()
            value = tf.identity(value)
            for _ in range(count):
                # Scaled, so that nothing grows or is the same as before.
                value = 0.5 * context.all_reduce(tf.distribute.ReduceOp.SUM, value)
            return value

        @tf.function
        def once(value: Any) -> Any:
            return self.strategy.run(in_replica, args=(value,))

        def repeated(repeats: int) -> Any:
            value = tf.ones([max(1, size // 4)])
            for _ in range(repeats):
                value = once(value)
            return value.numpy()

        return repeated


class Collectives:
    """Bytes of the collectives of a train step, written down while Keras's function is traced."""

    def __init__(self) -> None:
        """Begins to look."""
        from tensorflow.python.framework import ops
        from tensorflow.python.ops import gen_collective_ops

        self._found: dict[str, tuple[Any, list[int]]] = {}
        original = gen_collective_ops.collective_reduce_v2

        def seen(input: Any, *args: Any, **kwargs: Any) -> Any:
            graph = ops.get_default_graph()
            name = getattr(graph, "name", "")
            # The iterator's question whether all have data, and the step itself.
            if name in ("multi_step_on_iterator", "one_step_on_data"):
                if name not in self._found or self._found[name][0] is not graph:
                    self._found[name] = (graph, [])
                elements = input.shape.num_elements() or 1
                self._found[name][1].append(input.dtype.size * elements)
            return original(input, *args, **kwargs)

        gen_collective_ops.collective_reduce_v2 = seen

    def of_a_step(self) -> list[int]:
        """Bytes of each collective of a train step, in the order in which they were traced."""
        return [size for _, sizes in self._found.values() for size in sizes]


def keep_iterators() -> None:
    """Has no distributed iterator deleted before the process ends.

    In TensorFlow 2.21 one that is deleted while its thread prepares the next batch crashes the
    process now and then, under every strategy. Every `fit` of Keras 3 deletes one early on: that
    which showed it the shapes of a batch.
    """
    from tensorflow.python.data.ops import multi_device_iterator_ops

    kept: list[Any] = []
    owner = multi_device_iterator_ops.OwnedMultiDeviceIterator
    original = owner.__init__

    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        kept.append(self)

    owner.__init__ = made


def _clock(keras: Any) -> Any:
    class Clock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.ends: list[float] = []
            self.cpu: list[float] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.ends.append(time.perf_counter())
            self.cpu.append(time.process_time())

    return Clock()


def _requests() -> queue.Queue[dict[str, Any] | None]:
    requests: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            request = json.loads(line)
            requests.put(request)
            if request is None:
                return
        # The benchmark is gone; a collective that waits for ever must not keep this worker.
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    return requests


if __name__ == "__main__":
    sys.exit(main())
