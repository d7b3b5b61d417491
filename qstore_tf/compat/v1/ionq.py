"""`IonQQuantumBackend` of version 1: single circuits on IonQ."""

from __future__ import annotations

from typing import Any

import numpy as np

from qstore_tf import backends
from qstore_tf.circuits import UnifiedCircuit, encodings
from qstore_tf.compat.circuits import AnyCircuit, circuit_of, run
from qstore_tf.errors import InputError, describe
from qstore_tf.ionq import compile as compile_native
from qstore_tf.ionq.targets import lookup

# What is done to each qubit before it is measured.
_BASES = {"computational": None, "hadamard": "H"}


class IonQQuantumBackend:
    """Runs one circuit at a time on IonQ; `qs.backends.IonQ` runs batches.

    Args:
        api_key: None: IONQ_API_KEY.
        target: "simulator", "qpu.forte-1" and the like.
        url: Of the service; None: IONQ_API_URL, or IonQ's own.
    """

    def __init__(
        self, api_key: str | None = None, target: str = "simulator", url: str | None = None
    ) -> None:
        self.target = lookup(target)
        self.backend = backends.get("ionq", target=target, api_key=api_key, url=url)

    def execute_circuit(self, circuit: AnyCircuit, repetitions: int = 1000) -> dict[str, Any]:
        """Runs a circuit; returns `counts`, `probabilities` and `total_shots`.

        Bit strings have qubit 0 first.

        Args:
            circuit: A circuit without symbols, or IonQ's dict.
            repetitions: Shots.

        Raises:
            QstoreError: The circuit cannot be read, or the service failed.
        """
        return run([circuit], self.backend, repetitions)[0]

    def amplitude_encode(self, vector: Any) -> UnifiedCircuit:
        """Returns the circuit that prepares a vector's amplitudes, normalized, from |0...0>.

        Args:
            vector: Real; zeros are put after it up to a power of two.

        Raises:
            InputError: It is empty.

        Example:
            >>> IonQQuantumBackend(api_key="a-key").amplitude_encode([0.6, 0.8]).n_qubits
            1
        """
        row = np.asarray(vector, "float64").reshape(1, -1)
        if not row.size:
            raise InputError(describe("There is nothing to encode", expected="a vector"))
        n_qubits = max(1, (row.shape[1] - 1).bit_length())
        circuit = encodings.amplitude_encoding(n_qubits)
        angles = encodings.amplitude_angles(encodings.normalized_amplitudes(row, n_qubits))[0]
        values = dict(zip(circuit.parameters, np.asarray(angles).tolist(), strict=True))
        return circuit.bind(values)

    def measure_in_basis(self, circuit: AnyCircuit, basis: str = "computational") -> UnifiedCircuit:
        """Returns a circuit whose measurement is one in another basis, to be executed.

        Args:
            circuit: The circuit.
            basis: "computational" or "hadamard".

        Raises:
            InputError: There is no such basis.
        """
        if basis not in _BASES:
            raise InputError(
                describe("Unknown basis", expected=" or ".join(map(repr, _BASES)), received=basis)
            )
        turned, gate = circuit_of(circuit).copy(), _BASES[basis]
        if gate is not None:
            for qubit in range(turned.n_qubits):
                turned.add_gate(gate, qubit)
        return turned

    def optimize_for_ionq(self, circuit: AnyCircuit) -> UnifiedCircuit:
        """Returns a circuit in native gates of the target; for the simulator, of forte-1.

        It makes the same state, up to a global phase, turns about Z at the end, and a permutation
        of wires: `qs.ionq.compile` tells it.
        """
        machine = "forte-1" if self.target.name == "simulator" else self.target
        return UnifiedCircuit.of(compile_native(circuit_of(circuit), machine).native())
