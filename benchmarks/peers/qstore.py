"""qstore_tf: the differentiable function under its layers, in a `tf.function`."""

from __future__ import annotations

import platform
from typing import Any

from benchmarks.measure import Peer, main
from benchmarks.workload import LEARNING_RATE, Workload


def build(workload: Workload, threads: int) -> Peer:
    """The workload on the native backend, one op for the batch and one for its gradient."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    # The graph is a chain: a second executor thread only competes with the op's own.
    tf.config.threading.set_inter_op_parallelism_threads(1)
    import qstore_tf as qs
    from qstore_tf.circuits.compiling import compile_circuit
    from qstore_tf.circuits.observables import parse_observables
    from qstore_tf.circuits.unified import UnifiedCircuit
    from qstore_tf.execution import build_expectation
    from qstore_tf.ops import library

    circuit = UnifiedCircuit(workload.n_qubits)
    for gate in workload.gates():
        parameters = None
        if gate.name != "cx":
            parameters = [f"{'x' if gate.name == 'rx' else 'theta'}_{gate.slot}"]
        circuit.add_gate(gate.name.upper(), gate.targets, parameters)
    program = compile_circuit(
        circuit,
        inputs=[f"x_{slot}" for slot in range(workload.n_qubits)],
        theta=[f"theta_{slot}" for slot in range(workload.n_theta)],
    )
    observables = parse_observables(
        [f"Z{qubit}" for qubit in range(workload.n_qubits)], workload.n_qubits
    )
    evaluate = build_expectation(program, observables, backend="native", gradient="adjoint")
    inputs_np, theta_np = workload.data()
    inputs = tf.constant(inputs_np)

    def gradient_step(theta: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(theta)
            loss = tf.reduce_sum(tf.square(evaluate(inputs, theta, None)))
        return loss, tape.gradient(loss, theta)

    single = tf.function(gradient_step)

    @tf.function
    def looped(theta: Any, steps: Any) -> Any:
        loss = tf.constant(0.0)
        for _ in tf.range(steps):
            loss, gradient = gradient_step(theta)
            theta -= LEARNING_RATE * gradient
        return loss

    def step(theta: Any) -> tuple[float, Any]:
        loss, gradient = single(tf.constant(theta))
        return float(loss), gradient.numpy()

    return Peer(
        precision="float32",
        versions={
            "qstore-tf": qs.__version__,
            "tensorflow": tf.__version__,
            "python": platform.python_version(),
        },
        step=step,
        loop=lambda steps: float(looped(tf.constant(theta_np), tf.constant(steps))),
        detail=f"SIMD level {library.status().simd}",
    )


if __name__ == "__main__":
    main("qstore", build)
