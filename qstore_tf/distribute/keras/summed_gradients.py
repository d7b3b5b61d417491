"""Makes Keras 3 optimizers use the gradients of the whole batch, summed over the replicas.

Keras clips and accumulates the gradients of each replica's share and sums them last, so that
clipped gradients differ from those of a single process. A `LossScaleOptimizer` looks for NaN in its
own share only, so that replicas may disagree on whether to take a step.
`gradient_accumulation_steps` and `ema_overwrite_frequency` fail, because a `tf.cond` in a replica
cannot update variables of all replicas. Here the gradients are summed first, and these conditions
are evaluated for all replicas at once. tf_keras sums first by itself.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.distribute.keras.patching import replace

# `summed`: whether the gradients that are being applied are already summed.
_state = threading.local()


def apply() -> None:
    """Replaces the functions of Keras."""
    optimizer = keras.optimizers.Optimizer
    replace(optimizer, "_backend_apply_gradients", _apply_gradients)
    replace(optimizer, "_all_reduce_sum_gradients", _sum_once)
    replace(keras.optimizers.LossScaleOptimizer, "check_finite", _finite_everywhere)


def _apply_gradients(
    original: Callable[..., Any], self: Any, grads: list[Any], variables: list[Any]
) -> None:
    replica = tf.distribute.get_replica_context()
    if replica is None or not tf.distribute.has_strategy():
        original(self, grads, variables)
        return
    sums = replica.all_reduce(tf.distribute.ReduceOp.SUM, list(grads))
    overwrites = self.use_ema and self.ema_overwrite_frequency
    if not self.gradient_accumulation_steps and not overwrites:
        with _summed():
            original(self, sums, variables)
        return
    # The rest is as in Keras, except for the conditions.
    if self.gradient_accumulation_steps:
        _accumulate(self, sums, variables)
    else:
        _update(self, sums, variables)
    if self.use_ema:
        self._update_model_variables_moving_average(self._trainable_variables)
    if overwrites:
        # This counts updates, while the accumulation counts batches.
        _every(self.ema_overwrite_frequency, self.iterations, lambda: _overwrite(self))


def _accumulate(self: Any, sums: list[Any], variables: list[Any]) -> None:
    steps = self.gradient_accumulation_steps
    kept = [self._accumulated_gradients[self._get_variable_index(v)] for v in variables]

    def update() -> None:
        means = [(new + old) / steps for new, old in zip(sums, kept, strict=True)]
        _update(self, means, variables)
        self._backend_reset_gradient_accumulators()

    def keep() -> None:
        self._backend_increment_gradient_accumulators(sums, kept)

    _every(steps, self._iterations, update, keep)


def _update(self: Any, grads: list[Any], variables: list[Any]) -> None:
    grads = self._clip_gradients(grads)
    self._apply_weight_decay(variables)
    with _summed():
        self._backend_update_step(grads, variables, self.learning_rate)


def _overwrite(self: Any) -> None:
    def in_all(strategy: tf.distribute.Strategy) -> None:
        self._overwrite_model_variables_with_average_value(self._trainable_variables)

    tf.__internal__.distribute.interim.maybe_merge_call(in_all, tf.distribute.get_strategy())


def _every(
    steps: int,
    done: Any,
    then: Callable[[], None],
    otherwise: Callable[[], None] = lambda: None,
) -> None:
    """Calls `then` in each replica at every `steps`-th step, `otherwise` at the other steps."""
    now = tf.equal((tf.convert_to_tensor(done) + 1) % steps, 0)
    if tf.__internal__.distribute.strategy_supports_no_merge_call():
        tf.cond(now, then, otherwise)
        return

    def across(strategy: tf.distribute.Strategy, now: Any, then: Any, otherwise: Any) -> None:
        def each(function: Any) -> Callable[[], None]:
            return lambda: strategy.extended.call_for_each_replica(_call, args=(function,))

        # The step is the same in all replicas.
        tf.cond(strategy.experimental_local_results(now)[0], each(then), each(otherwise))

    tf.distribute.get_replica_context().merge_call(across, args=(now, then, otherwise))


@tf.autograph.experimental.do_not_convert
def _call(function: Callable[[], None]) -> None:
    function()


@contextlib.contextmanager
def _summed() -> Iterator[None]:
    _state.summed = True
    try:
        yield
    finally:
        _state.summed = False


def _sum_once(original: Callable[..., Any], self: Any, pairs: Any) -> Any:
    return list(pairs) if getattr(_state, "summed", False) else original(self, pairs)


def _finite_everywhere(original: Callable[..., Any], self: Any, grads: Any) -> Any:
    finite = original(self, grads)
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return finite
    others = tf.cast(tf.logical_not(finite), tf.float32)
    return tf.equal(replica.all_reduce(tf.distribute.ReduceOp.SUM, others), 0.0)
