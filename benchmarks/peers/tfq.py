"""TensorFlow Quantum: its adjoint differentiator around its expectation op, in a `tf.function`."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.measure import Peer, main
from benchmarks.workload import LEARNING_RATE, Workload


def build(workload: Workload, threads: int) -> Peer:
    """The workload as TFQ computes it: one serialized circuit per sample, one adjoint op."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import cirq
    import sympy
    import tensorflow as tf

    # Before TensorFlow Quantum, whose import starts TensorFlow's thread pools.
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    import tensorflow_quantum as tfq

    qubits = cirq.GridQubit.rect(1, workload.n_qubits)
    # Zero-padded, because TFQ sorts symbols alphabetically in places.
    features = [f"x{slot:04d}" for slot in range(workload.n_qubits)]
    angles = [f"y{slot:04d}" for slot in range(workload.n_theta)]
    circuit = cirq.Circuit()
    for gate in workload.gates():
        targets = [qubits[target] for target in gate.targets]
        if gate.name == "cx":
            circuit.append(cirq.CNOT(*targets))
        else:
            name = (features if gate.name == "rx" else angles)[gate.slot]
            rotation = {"rx": cirq.rx, "ry": cirq.ry, "rz": cirq.rz}[gate.name]
            circuit.append(rotation(sympy.Symbol(name))(*targets))

    op = tfq.differentiators.Adjoint().generate_differentiable_op(
        analytic_op=tfq.get_expectation_op()
    )
    circuits = tf.tile(tfq.convert_to_tensor([circuit]), [workload.batch])
    observables = tf.tile(
        tfq.convert_to_tensor([[cirq.Z(qubit) for qubit in qubits]]), [workload.batch, 1]
    )
    names = tf.constant(features + angles)
    inputs_np, theta_np = workload.data()
    inputs = tf.constant(inputs_np)

    def gradient_step(theta: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(theta)
            tiled = tf.tile(theta[tf.newaxis, :], [workload.batch, 1])
            expectations = op(circuits, names, tf.concat([inputs, tiled], 1), observables)
            loss = tf.reduce_sum(tf.square(expectations))
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
        versions={"tensorflow-quantum": f"{tfq.__version__} on TensorFlow {tf.__version__}"},
        step=step,
        loop=lambda steps: float(looped(tf.constant(theta_np), tf.constant(steps))),
        detail="the wheel on PyPI is built without AVX",
    )


if __name__ == "__main__":
    main("tfq", build)
