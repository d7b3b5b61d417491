"""`multi_worker_strategy`: from a description of the workers to a strategy that trains on them."""

from __future__ import annotations

import atexit
import platform
import signal
import threading
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from qstore_tf import __version__
from qstore_tf.distribute.group import termination
from qstore_tf.distribute.group.cluster import Cluster, cluster_from
from qstore_tf.distribute.group.group import Group
from qstore_tf.distribute.group.meeting import Meeting, difference, meet
from qstore_tf.distribute.group.stopping import StopAgreement
from qstore_tf.distribute.keras import fitting, fixes
from qstore_tf.distribute.keras.patching import LEGACY
from qstore_tf.errors import ConfigurationError, WorkerLostError, WorkerMismatchError, describe

_made: Workers | None = None


class Workers:
    """What a process knows of the run it takes part in; one a process.

    Args:
        group: The workers, and how to talk with them.
        seed: The seed that all of them share.
    """

    def __init__(self, group: Group, seed: int) -> None:
        """Begins to listen for those who ask to stop."""
        self.group = group
        self.seed = seed
        self.completed = 0
        self.stopping = StopAgreement(group)

    def compare(self, facts: dict[str, Any]) -> None:
        """Compares what the workers are about to train with.

        Raises:
            WorkerMismatchError: It differs.
        """
        facts = {**facts, "the seed": fixes.seed_set_before()}
        everyone = self.group.exchange("data", facts)
        problem = difference(self.group.cluster, dict(enumerate(everyone)))
        if problem:
            raise WorkerMismatchError(problem)


def current() -> Workers | None:
    """The run that `multi_worker_strategy` made this process part of, or None."""
    return _made


def workers_or_alone() -> Workers:
    """The run that this process is part of; where there is none, a run of this process alone."""
    return _made or Workers(_group_of_one(), fixes.seed_set_before() or 0)


def multi_worker_strategy(
    workers: Sequence[str] | None = None,
    index: int | None = None,
    *,
    seed: int | None = None,
    start_timeout: float = 300.0,
) -> tf.distribute.MultiWorkerMirroredStrategy:
    """Makes the strategy with which `model.fit` trains on all workers in lockstep.

    Call it first, before any other work of TensorFlow's, with the same arguments on all workers,
    and build and compile the model in `strategy.scope()`. Each step, every worker takes its share
    of the global batch; gradients are summed over all; the weights stay the same everywhere.

    The workers are those of the arguments, else those of `TF_CONFIG`, else those of an Indexed Job
    of Kubernetes (`QSTORE_WORKERS`, `QSTORE_WORKER_ADDRESS`, `JOB_COMPLETION_INDEX`), else this
    process alone.

    Args:
        workers: `host:port` of every worker, the chief first.
        index: Which of them this process is.
        seed: Goes to `keras.utils.set_random_seed` on every worker; the same on all, for workers
            that shuffle alike. None takes the one set before, or 0: a training that is started
            again must draw what it drew before.
        start_timeout: Seconds to wait for the other workers.

    Returns:
        The strategy: gradients travel by ring over gRPC, between GPUs by NCCL.

    Raises:
        ConfigurationError: The workers are described in part or wrongly, or TensorFlow is already
            at work, or there is such a strategy already.
        WorkerMismatchError: The workers' versions, seeds or lists of workers differ.
        StartTimeoutError: Workers did not come in time.
        WorkerLostError: One went away meanwhile.

    Example (the same script on all workers, as in `qstore launch --workers 2 -- python train.py`)::

        strategy = qs.distribute.multi_worker_strategy()
        with strategy.scope():
            model = keras.Sequential([keras.Input((4,)), qs.layers.QuantumLayer(4, 2)])
            model.compile("adam", "mse")
        model.fit(x, y, batch_size=32)
    """
    global _made
    if _made is not None:
        raise ConfigurationError(
            describe(
                "This process has a multi-worker strategy already",
                expected="one call of multi_worker_strategy in a process",
                hint="Keep the strategy of the first call",
            )
        )
    termination.take_charge()
    cluster = cluster_from(workers, index)
    fixes.apply()
    if cluster is None:
        return _alone(seed)
    _check(start_timeout)
    number = _seed(seed)
    meeting = meet(cluster, {**_versions(), "the seed": number}, start_timeout)
    guard = _Guard(start_timeout)
    group = Group(meeting, on_loss=guard.lost)
    termination.belongs_to(group)
    atexit.register(termination.finish)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        strategy = _strategy(cluster)
    finally:
        guard.started()
    # TensorFlow's own handler keeps SIGTERM to itself.
    signal.signal(signal.SIGTERM, on_sigterm or signal.SIG_DFL)
    _made = Workers(group, number)
    keras.utils.set_random_seed(number)
    fitting.watch(fitting.Several(_made.compare, cluster.is_chief, termination.abandon))
    return strategy


def _alone(seed: int | None) -> tf.distribute.MultiWorkerMirroredStrategy:
    global _made
    strategy = tf.distribute.MultiWorkerMirroredStrategy(
        cluster_resolver=tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({}), task_type="worker", task_id=0
        )
    )
    _made = Workers(_group_of_one(), _seed(seed))
    keras.utils.set_random_seed(_made.seed)
    return strategy


def _group_of_one() -> Group:
    return Group(Meeting(Cluster(("127.0.0.1:1",), 0)))


def _strategy(cluster: Cluster) -> tf.distribute.MultiWorkerMirroredStrategy:
    fixes.have_patience(len(cluster.workers))
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.workers)}),
        task_type="worker",
        task_id=cluster.index,
        rpc_layer="grpc",
    )
    return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)


class _Guard:
    """Ends a process that waits in TensorFlow for a worker that will never come."""

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
            termination.interrupt(error)
        else:
            termination.leave_at_once(error)

    def _too_late(self) -> None:
        if not self._started:
            termination.leave_at_once(termination.never_connected())


def _check(start_timeout: float) -> None:
    if not start_timeout > 0:
        raise ConfigurationError(
            describe("start_timeout is no time", expected="seconds > 0", received=start_timeout)
        )
    if tf.executing_eagerly() and fixes.tensorflow_is_at_work():
        raise ConfigurationError(
            describe(
                "TensorFlow is already at work in this process",
                expected="multi_worker_strategy to be called before any tensor, variable, layer "
                "or dataset is made",
                hint="Make it the first call of the script, right after the imports",
            )
        )


def _seed(seed: int | None) -> int:
    if seed is None:
        return fixes.seed_set_before() or 0
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ConfigurationError(
            describe("seed is no seed", expected="an integer from 0 to 2**32 - 1", received=seed)
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
