"""Fixes of Keras 3 under a multi-worker strategy, applied from outside.

Keras 3 (seen in 3.15, https://github.com/keras-team/keras/issues/20585) cannot run `fit` on
several workers: it reduces a whole tuple of distributed values at once to find out the shapes of
the first batch, and it reduces the logs, which are scalars, along an axis 0 that they do not have.
With `steps_per_execution` above 1 it fails under every strategy with more than one replica.
`share_weights` and `summed_gradients` hold the fixes that make the weights those of a single
process. `apply` replaces all these functions; without a strategy they do what they did.
`tests/distribute/keras/test_fixes.py` fails when a release of Keras no longer needs one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.distribute import collective_all_reduce_strategy
from tensorflow.python.eager import context

from qstore_tf.distribute.keras import share_weights, summed_gradients
from qstore_tf.distribute.keras.patching import LEGACY, replace
from qstore_tf.distribute.session import current_session

_trainer: Any = None
if not LEGACY:
    from keras.src.backend.tensorflow import trainer

    _trainer = trainer


def apply() -> None:
    """Applies the fixes; later calls do nothing."""
    session = current_session()
    if session.fixes_applied:
        return
    session.fixes_applied = True
    share_weights.apply()
    if _trainer is None:
        return
    replace(_trainer, "reduce_per_replica", _reduce_per_replica)
    replace(_trainer.TensorFlowTrainer, "_maybe_symbolic_build", _maybe_symbolic_build)
    replace(_trainer.TensorFlowTrainer, "_make_function", _make_function)
    summed_gradients.apply()


def tensorflow_is_initialized() -> bool:
    """Returns whether TensorFlow's devices are set up: then no server for workers can start."""
    return bool(context.context()._initialized)


def set_heartbeat_timeout(n_workers: int) -> None:
    """Makes TensorFlow wait minutes for a worker's heartbeat; called before the strategy is made.

    Its default of 10 s ends training on machines that are short of CPU time. The loss of a worker
    is still noticed at once, by its connection in `group`.
    """
    job = collective_all_reduce_strategy.coordination_config_pb2.CoordinatedJob(
        name="worker", num_tasks=n_workers
    )
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        coordinated_jobs=[job],
        heartbeat_timeout_in_ms=300_000,
    )


def global_seed() -> int | None:
    """Returns the seed given to `keras.utils.set_random_seed` or `tf.random.set_seed`, if any."""
    seed = context.global_seed()
    return None if seed is None else int(seed)


def spans_workers(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether a strategy trains on more than one worker."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) and bool(
        strategy.extended._in_multi_worker_mode()
    )


def _reduce_per_replica(
    original: Callable[..., Any], values: Any, strategy: tf.distribute.Strategy, reduction: str
) -> Any:
    if not spans_workers(strategy) or reduction not in ("auto", "mean", "sum"):
        return original(values, strategy, reduction)
    how = "SUM" if reduction == "sum" else "MEAN"
    flat = tf.nest.flatten(values)
    if len(flat) > 1 and all(tf.is_tensor(v) and v.shape == () for v in flat):
        # One message for all of them: the time of a message hardly depends on its size.
        dtypes = [value.dtype for value in flat]
        stacked = tf.stack([tf.cast(value, tf.float64) for value in flat])
        reduced = tf.unstack(strategy.reduce(how, stacked, axis=None))
        flat = [tf.cast(value, dtype) for value, dtype in zip(reduced, dtypes, strict=True)]
    else:
        flat = [strategy.reduce(how, value, axis=None) for value in flat]
    return tf.nest.pack_sequence_as(values, flat)


def _maybe_symbolic_build(
    original: Callable[..., Any], self: Any, iterator: Any = None, data_batch: Any = None
) -> Any:
    if self._distribute_strategy is None or iterator is None:
        return original(self, iterator, data_batch)
    # Only shapes and types are needed. Drawing a batch would also advance a shuffle, which would
    # then differ from that of a process without a strategy.
    specs = tf.nest.map_structure(local_spec, iterator._distributed_dataset.element_spec)
    return original(self, None, specs)


def local_spec(spec: Any) -> Any:
    """Returns the spec of one replica's values."""
    return spec._value_specs[0] if hasattr(spec, "_value_specs") else spec


def _make_function(original: Callable[..., Any], self: Any, step_function: Any) -> Any:
    strategy = self.distribute_strategy
    fails = self.steps_per_execution > 1 and strategy.num_replicas_in_sync > 1
    if not fails or self.run_eagerly:
        return original(self, step_function)

    @tf.autograph.experimental.do_not_convert
    def one_step(data: Any) -> Any:
        outputs = strategy.run(step_function, args=(data,))
        return _trainer.reduce_per_replica(outputs, strategy, reduction="auto")

    step = self._autoconvert_optionals(
        tf.function(one_step, reduce_retracing=True, jit_compile=self.jit_compile)
    )

    @tf.function(reduce_retracing=True, autograph=False)
    def many_steps(iterator: Any) -> Any:
        def goes_on(done: tf.Tensor, batch: Any, outputs: Any) -> tf.Tensor:
            return tf.logical_and(done < self.steps_per_execution, batch.has_value())

        def body(done: tf.Tensor, batch: Any, outputs: Any) -> tuple[tf.Tensor, Any, Any]:
            outputs = step(batch.get_value())
            more = done + 1 < self.steps_per_execution
            return done + 1, tf.cond(more, iterator.get_next_as_optional, lambda: batch), outputs

        # Keras runs the steps in a branch of `tf.cond`, where a strategy cannot run them.
        first = step(iterator.get_next())
        start = (tf.constant(1), iterator.get_next_as_optional(), first)
        return tf.while_loop(goes_on, body, start)[2]

    return many_steps
