"""Qulacs: `backprop` of each sample's weighted observable, one call from Python per sample."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from benchmarks.measure import Peer, main
from benchmarks.workload import Workload


def build(workload: Workload, threads: int) -> Peer:
    """The workload as one parametric circuit whose numbers are replaced for every sample."""
    del threads
    import numpy as np
    import qulacs

    n = workload.n_qubits
    circuit = qulacs.ParametricQuantumCircuit(n)
    # Position of the gate that takes feature or angle `slot` among the circuit's parameters.
    n_parameters = 0
    features_at: list[int] = []
    angles_at: list[int] = []
    for gate in workload.gates():
        if gate.name == "cx":
            circuit.add_CNOT_gate(*gate.targets)
            continue
        getattr(circuit, f"add_parametric_{gate.name.upper()}_gate")(gate.targets[0], 0.0)
        (features_at if gate.name == "rx" else angles_at).append(n_parameters)
        n_parameters += 1
    inputs, _ = workload.data()
    paulis = [qulacs.Observable(n) for _ in range(n)]
    for qubit, observable in enumerate(paulis):
        observable.add_operator(1.0, f"Z {qubit}")
    state = qulacs.QuantumState(n)

    def step(theta: Any) -> tuple[float, Any]:
        # Qulacs's rotations turn the other way: exp(+i angle P / 2).
        for position, angle in zip(angles_at, theta, strict=True):
            circuit.set_parameter(position, -float(angle))
        loss, gradient = 0.0, np.zeros(workload.n_theta)
        for features in inputs:
            for position, feature in zip(features_at, features, strict=True):
                circuit.set_parameter(position, -float(feature))
            state.set_zero_state()
            circuit.update_quantum_state(state)
            expectations = [observable.get_expectation_value(state) for observable in paulis]
            weighted = qulacs.Observable(n)
            for qubit, expectation in enumerate(expectations):
                weighted.add_operator(2 * expectation, f"Z {qubit}")
            gradient -= np.asarray(circuit.backprop(weighted))[angles_at]
            loss += sum(expectation**2 for expectation in expectations)
        return loss, gradient

    return Peer(
        precision="float64",
        versions={"qulacs": version("qulacs")},
        step=step,
        detail="single calls only; double precision only",
    )


if __name__ == "__main__":
    main("qulacs", build)
