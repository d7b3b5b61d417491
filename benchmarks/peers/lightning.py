"""PennyLane lightning.qubit: adjoint differentiation, one call from Python per gradient step."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from benchmarks.measure import Peer, main
from benchmarks.workload import Workload


def build(workload: Workload, threads: int) -> Peer:
    """The workload as tapes, one per sample, executed and differentiated as one device batch."""
    del threads
    import numpy as np
    import pennylane as qml
    from pennylane.devices import ExecutionConfig
    from pennylane.tape import QuantumScript

    device = qml.device("lightning.qubit", wires=workload.n_qubits, c_dtype=np.complex64)
    config = ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)
    inputs, _ = workload.data()
    rotations = {"rx": qml.RX, "ry": qml.RY, "rz": qml.RZ}
    measured = [qml.expval(qml.PauliZ(qubit)) for qubit in range(workload.n_qubits)]
    trained = range(workload.n_qubits, workload.n_qubits + workload.n_theta)

    def tape(features: Any, theta: Any) -> Any:
        operations = []
        for gate in workload.gates():
            if gate.name == "cx":
                operations.append(qml.CNOT(gate.targets))
            else:
                angle = float((features if gate.name == "rx" else theta)[gate.slot])
                operations.append(rotations[gate.name](angle, gate.targets[0]))
        return QuantumScript(operations, measured, trainable_params=trained)

    def by_jacobian(theta: Any) -> tuple[float, Any]:
        tapes = tuple(tape(features, theta) for features in inputs)
        results, jacobians = device.execute_and_compute_derivatives(tapes, config)
        expectations = np.asarray(results, np.float64)
        jacobian = np.asarray(jacobians, np.float64)
        gradient = 2 * np.einsum("bk,bkp->p", expectations, jacobian)
        return float(np.sum(expectations**2)), gradient

    def by_vjp(theta: Any) -> tuple[float, Any]:
        tapes = tuple(tape(features, theta) for features in inputs)
        expectations = np.asarray(device.execute(tapes, config), np.float64)
        cotangents = [tuple(2 * row) for row in expectations]
        products = np.asarray(device.compute_vjp(tapes, cotangents, config), np.float64)
        return float(np.sum(expectations**2)), np.sum(products, axis=0).ravel()

    return Peer(
        precision="float32",
        versions={name: version(name) for name in ("pennylane-lightning", "pennylane")},
        # A vector-Jacobian product carries one bra instead of one per qubit but runs the circuit
        # twice; each peer gets the faster of its ways (measured).
        step=by_jacobian if workload.n_qubits < 8 else by_vjp,
        detail="single calls only",
    )


if __name__ == "__main__":
    main("lightning", build)
