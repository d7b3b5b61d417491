"""The Fubini-Study metric by the C++ op."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from qstore_tf.circuits.program import Program
from qstore_tf.ops import library
from qstore_tf.ops.inputs import prepare_for_op
from qstore_tf.ops.native import run

tf.no_gradient("QstoreMetric")
tf.no_gradient("QstoreMetricFed")


@tf.autograph.experimental.do_not_convert
def metric(
    program: Program,
    inputs: Any,
    theta: Any,
    initial_state: Any = None,
    *,
    num_threads: int = 0,
) -> tf.Tensor:
    """Returns the Fubini-Study metric by theta, the mean over the batch.

    g_pq = Re<d_p psi|d_q psi> - Re(<d_p psi|psi><psi|d_q psi>), a quarter of the quantum Fisher
    information. One op for the batch: the state and its P derivatives pass the gates together,
    in double precision. Memory of 16 (P + 1) 2^n bytes for each thread.

    Args:
        program: What to run.
        inputs: [B, F] float32 or float64, radians. An empty batch gives zeros.
        theta: [P] of the same dtype, radians.
        initial_state: Complex [B, 2^n] where the program has one, normalized.
        num_threads: Threads to use; 0 means all cores the process may use.

    Returns:
        [P, P] of the dtype of `inputs`, symmetric and positive semidefinite up to rounding. It
        has no gradient.

    Raises:
        InputError: An argument's rank, shape or dtype does not fit.
        LibraryError: The op library is missing.
        tf.errors.ResourceExhaustedError: States and derivatives cannot fit into memory.
    """
    library.load()
    given = prepare_for_op(program, inputs, theta, initial_state)
    return run("qstore_metric", given, {"program": program.to_text()}, num_threads=num_threads)
