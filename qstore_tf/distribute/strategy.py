"""`multi_worker_strategy`: from a description of the workers to a strategy that trains on them."""

from __future__ import annotations

import atexit
import platform
import signal
import threading
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import tensorflow as tf
from tensorflow import keras

from qstore_tf import __version__
from qstore_tf.distribute.group import (
    Cluster,
    Group,
    Workers,
    alone,
    cluster_from,
    meet,
    termination,
)
from qstore_tf.distribute.keras import fitting, fixes
from qstore_tf.distribute.keras.patching import LEGACY
from qstore_tf.distribute.session import current_session
from qstore_tf.errors import ConfigurationError, WorkerLostError, describe


def multi_worker_strategy(
    workers: Sequence[str] | None = None,
    index: int | None = None,
    *,
    seed: int | None = None,
    start_timeout: float = 300.0,
) -> tf.distribute.MultiWorkerMirroredStrategy:
    """Makes the strategy with which `model.fit` trains on all workers in lockstep.

    Call it before anything else in TensorFlow, with the same arguments on all workers, and build
    and compile the model in `strategy.scope()`. In each step, every worker takes its share of the
    global batch; the gradients are summed over all workers; the weights stay equal everywhere.

    The workers are those of the arguments, else those of `TF_CONFIG`, else those of an Indexed Job
    of Kubernetes (`QSTORE_WORKERS`, `QSTORE_WORKER_ADDRESS`, `JOB_COMPLETION_INDEX`), else this
    process alone.

    Args:
        workers: `host:port` of every worker, the chief first.
        index: The index of this process among them.
        seed: Passed to `keras.utils.set_random_seed` on every worker, the same on all, so that
            they shuffle alike. None takes the seed that is already set, or 0: a training that is
            restarted must draw the same random numbers as before.
        start_timeout: Seconds to wait for the other workers.

    Returns:
        The strategy. Gradients are summed by a ring over gRPC, between GPUs by NCCL.

    Raises:
        ConfigurationError: The workers are described incompletely or wrongly, TensorFlow has
            already been initialized, or this process already has such a strategy.
        WorkerMismatchError: The workers' versions, seeds or lists of workers differ.
        StartTimeoutError: Workers did not arrive in time.
        WorkerLostError: A worker was lost while the strategy was made.

    Example (the same script on all workers, as in `qstore launch --workers 2 -- python train.py`)::

        strategy = qs.distribute.multi_worker_strategy()
        with strategy.scope():
            model = keras.Sequential([keras.Input((4,)), qs.layers.QuantumLayer(4, 2)])
            model.compile("adam", "mse")
        model.fit(x, y, batch_size=32)
    """
    session = current_session()
    if session.workers is not None:
        raise ConfigurationError(
            describe(
                "This process already has a multi-worker strategy",
                expected="one call of multi_worker_strategy in a process",
                hint="Use the strategy that the first call returned",
            )
        )
    termination.handle_uncaught_errors()
    cluster = cluster_from(workers, index)
    fixes.apply()
    if cluster is None:
        return _single_process(seed)
    _check(start_timeout)
    number = _checked_seed(seed)
    meeting = meet(cluster, {**_versions(), "the seed": number}, start_timeout)
    watchdog = _StartWatchdog(start_timeout)
    group = session.group = Group(meeting, on_loss=watchdog.lost)
    atexit.register(termination.finish)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        strategy = _strategy(cluster)
    finally:
        watchdog.started()
    # TensorFlow's own handler swallows SIGTERM.
    signal.signal(signal.SIGTERM, on_sigterm or signal.SIG_DFL)
    session.workers = Workers(group, number)
    keras.utils.set_random_seed(number)
    fitting.watch()
    return strategy


def _single_process(seed: int | None) -> tf.distribute.MultiWorkerMirroredStrategy:
    strategy = tf.distribute.MultiWorkerMirroredStrategy(
        cluster_resolver=tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({}), task_type="worker", task_id=0
        )
    )
    number = _checked_seed(seed)
    current_session().workers = alone(number)
    keras.utils.set_random_seed(number)
    return strategy


def _strategy(cluster: Cluster) -> tf.distribute.MultiWorkerMirroredStrategy:
    fixes.set_heartbeat_timeout(len(cluster.workers))
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.workers)}),
        task_type="worker",
        task_id=cluster.index,
        rpc_layer="grpc",
    )
    return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)


class _StartWatchdog:
    """Exits a process that waits in TensorFlow for a worker that will never come."""

    def __init__(self, timeout: float) -> None:
        self._started = False
        self._timer = threading.Timer(timeout, self._too_late)
        self._timer.daemon = True
        self._timer.start()

    def started(self) -> None:
        self._started = True
        self._timer.cancel()

    def lost(self, error: WorkerLostError) -> None:
        if self._started:
            termination.interrupt_step(error)
        else:
            termination.exit_now(error)

    def _too_late(self) -> None:
        if not self._started:
            termination.exit_now(termination.connection_timeout())


def _check(start_timeout: float) -> None:
    if not start_timeout > 0:
        raise ConfigurationError(
            describe(
                "start_timeout must be a positive number of seconds",
                expected="seconds > 0",
                received=start_timeout,
            )
        )
    if tf.executing_eagerly() and fixes.tensorflow_is_initialized():
        raise ConfigurationError(
            describe(
                "TensorFlow has already been initialized in this process",
                expected="multi_worker_strategy to be called before any tensor, variable, layer "
                "or dataset is made",
                hint="Make it the first call of the script, right after the imports",
            )
        )


def _checked_seed(seed: int | None) -> int:
    if seed is None:
        return fixes.global_seed() or 0
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ConfigurationError(
            describe(
                "The seed must be an unsigned 32-bit integer",
                expected="an integer from 0 to 2**32 - 1",
                received=seed,
                hint="Pass seed=None for the seed that is already set, or 0",
            )
        )
    return int(seed)


def _versions() -> dict[str, str]:
    return {
        "the version of qstore_tf": __version__,
        "the version of TensorFlow": tf.__version__,
        "the version of Keras": version("tf_keras" if LEGACY else "keras"),
        "the version of NumPy": np.__version__,
        "the version of Python": ".".join(platform.python_version_tuple()[:2]),
    }
