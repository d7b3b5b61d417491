"""Simulators that take one circuit at a time get whole batches: one call, rows in order."""

import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf.backends import batch
from qstore_tf.errors import BackendError, CircuitError, ConfigurationError, MemoryLimitError


def inputs(rows, columns=1):
    return tf.reshape(tf.range(rows * columns, dtype=tf.float32), [rows, columns])


THETA = tf.constant([10.0])


@tf.autograph.experimental.do_not_convert
def run_rows(function, x, theta, initial, dtype, width, *, threads=1, what="circuit", **given):
    """Runs `function(inputs, theta, initial, seed=, extra=)` on each row, as the backends do."""

    def whole(x, theta, start, key, more):
        out = np.empty((len(x), width), dtype.as_numpy_dtype)

        def row(k):
            options = {} if key is None else {"seed": batch.row_seed(key, k)}
            options |= {} if more is None else {"extra": more[k]}
            out[k] = function(x[k], theta, None if start is None else start[k], **options)

        rows = batch.finite_only(row, out, x, theta, start)
        batch.for_each(rows, len(x), threads, what)
        return out

    return batch.run_batch(whole, x, theta, initial, dtype, width, **given)


@pytest.mark.parametrize("threads", [1, 3, 8, 100])
@pytest.mark.parametrize("rows", [0, 1, 7])
def test_rows_stay_in_order_whatever_finishes_first(threads, rows):
    def function(x, theta, initial):
        assert initial is None
        time.sleep(0.01 if x[0] == 0 else 0)
        return [x[0], theta[0]]

    out = run_rows(function, inputs(rows), THETA, None, tf.float32, 2, threads=threads)
    np.testing.assert_array_equal(out, [[k, 10] for k in range(rows)] or np.zeros((0, 2)))


def test_the_calling_thread_and_others_share_the_rows():
    seen = set()
    barrier = threading.Barrier(3, timeout=20)

    def function(x, theta, initial):
        barrier.wait()
        seen.add(threading.get_ident())
        return x

    run_rows(function, inputs(3), THETA, None, tf.float32, 1, threads=3)
    assert len(seen) == 3 and threading.get_ident() in seen


def test_a_traced_batch_of_unknown_size_keeps_its_static_width():
    states = tf.complex(inputs(5, 4), 0.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 1]), tf.TensorSpec([None, 4], tf.complex64)])
    def run(x, states):
        out = run_rows(lambda x, t, s: s * t, x, THETA, states, tf.complex64, 4)
        assert out.shape.as_list() == [None, 4]
        return out

    np.testing.assert_array_equal(run(inputs(5), states), 10 * states.numpy())


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ValueError("too hot"), BackendError),
        (CircuitError("too hot"), CircuitError),
        (MemoryError("too hot"), MemoryLimitError),
    ],
)
@pytest.mark.parametrize("threads", [1, 4])
def test_a_failure_names_the_lowest_row(raised, expected, threads):
    def function(x, theta, initial):
        if x[0] in (2, 6):
            raise raised
        return x

    arguments = (function, inputs(8), THETA, None, tf.float32, 1)
    words = "hot circuit in row 2 of a batch of 8 failed .too hot"
    with pytest.raises(expected, match=words):
        run_rows(*arguments, threads=threads, what="hot circuit")
    traced = tf.function(lambda: run_rows(*arguments, threads=threads, what="hot circuit"))
    with pytest.raises(tf.errors.OpError, match=words):
        traced()


def test_seeds_differ_by_row_and_repeat():
    def draws(first, threads):
        def function(x, theta, initial, seed):
            assert 0 <= seed < 2**31
            return [seed]

        seed = tf.constant([first, -1], tf.int64)
        return run_rows(
            function, inputs(50), THETA, None, tf.int64, 1, seed=seed, threads=threads
        ).numpy()

    once = draws(5, threads=1)
    assert len(np.unique(once)) == 50
    np.testing.assert_array_equal(once, draws(5, threads=4))
    assert not np.any(once == draws(6, threads=1))


def test_extra_rows_go_along_and_must_be_as_many():
    def run(more):
        return run_rows(
            lambda x, t, s, extra: extra, inputs(2), THETA, None, tf.float32, 3, extra=more
        )

    np.testing.assert_array_equal(run(inputs(2, 3)), inputs(2, 3))
    with pytest.raises(ValueError, match="different numbers of rows.*Expected: 2.*Received: 3"):
        run(inputs(3, 3))


def test_numbers_that_are_not_finite_give_nan_in_their_row_alone():
    x = tf.constant([[0.0], [np.nan], [np.inf]])
    out = run_rows(lambda x, t, s: x, x, THETA, None, tf.float32, 1)
    np.testing.assert_array_equal(out, [[0], [np.nan], [np.nan]])
    out = run_rows(lambda x, t, s: x, x, [np.nan], None, tf.float32, 1)
    assert np.isnan(out).all()


def test_a_result_of_the_wrong_width_is_refused():
    with pytest.raises(BackendError, match="row 0"):
        run_rows(lambda x, t, s: [1, 2, 3], inputs(2), THETA, None, tf.float32, 2)


def test_threads_are_those_asked_for_or_all(monkeypatch):
    assert batch.thread_count(3) == 3
    monkeypatch.setenv("QSTORE_NUM_THREADS", "5")
    assert batch.thread_count() == 5 and batch.thread_count(2) == 2
    monkeypatch.setenv("QSTORE_NUM_THREADS", "many")
    assert batch.thread_count() >= 1
    for wrong in (-1, True, 1.5):
        with pytest.raises(ConfigurationError, match="integer >= 0"):
            batch.check_threads(wrong)


def test_no_sample_is_drawn_from_numbers_that_are_not_finite():
    x = tf.constant([[0.0], [np.nan]])
    with pytest.raises(ValueError, match="row 1 of a batch of 2.*finite"):
        run_rows(lambda x, t, s: [1], x, THETA, None, tf.int64, 1)
