"""The backend on Qulacs."""

from __future__ import annotations

from typing import Any

import numpy as np

from qstore_tf.backends.arrays.base import Array
from qstore_tf.backends.arrays.one_by_one import OneByOne, Runner
from qstore_tf.backends.arrays.rotations import Rotations, Step, Turn, lower
from qstore_tf.backends.base import Capabilities
from qstore_tf.backends.extras import require
from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.operation import thaw
from qstore_tf.circuits.primitives import Flip, Swap
from qstore_tf.circuits.program import Program

# From here on a Pauli gate on a copy, then an inner product, is faster than Qulacs' own
# transition amplitude of one Pauli.
_QUBITS_FOR_COPIES = 9
_PAULI_IDS = {"X": 1, "Y": 2, "Z": 3}


class Qulacs(OneByOne):
    """Simulates in Qulacs, in float64 whatever the dtype of the layer.

    A program becomes two parametric circuits once, itself and its inverse; a sample only sets
    their angles. Gradients are an adjoint sweep on Qulacs' states, in inputs, theta and initial
    state. Qulacs holds Python's lock while it computes, so the circuits of a batch run one after
    another; its own threads share large states, as many as the environment variable
    QULACS_NUM_THREADS says before its first use. On a machine that runs other work too, set it
    to 1: threads that wait for each other cost more than they bring.

    Raises:
        LibraryError: Qulacs is not installed.
    """

    name = "qulacs"
    capabilities = Capabilities(
        state_vector=True, exact=True, adjoint=True, dtypes=("float32", "float64")
    )

    def __init__(self) -> None:
        """Imports Qulacs."""
        require("qulacs", "qulacs", "qulacs")

    def _make(self, program: Program, double: bool) -> Runner:
        return _QulacsRunner(_lowered(program))


class _QulacsRunner(Runner):
    def __init__(self, lowered: Rotations) -> None:
        self._qulacs = q = require("qulacs", "qulacs", "qulacs")
        self.table = lowered.table
        n = lowered.n_qubits
        self._forward = _Circuit(q, n)
        for moment in lowered.moments:
            for step in moment:
                self._forward.add(step)
        self._state, self._bra, self._copy = (q.QuantumState(n) for _ in range(3))
        # The inverse, in pieces: undo gates `start` to `stop`, then read the turns.
        self._backward = _Circuit(q, n)
        self._pieces: list[tuple[int, int, list[tuple[int, Any]]]] = []
        start = stop = 0
        for moment in reversed(lowered.moments):
            turns = [step for step in moment if isinstance(step, Turn) and step.moves]
            if turns:
                readers = [(turn.column, self._reader(turn)) for turn in turns]
                self._pieces.append((start, stop, readers))
                start = stop
            for step in moment:
                self._backward.add(step.inverse())
            stop += len(moment)
        self._rest = (start, stop)

    def state(self, angles: Array, initial: Array | None) -> Array:
        if initial is None:
            self._state.set_zero_state()
        else:
            self._state.load(initial.astype(np.complex128))
        # Qulacs rotates by exp(+i angle/2 P).
        self._forward.run(-angles, self._state)
        found: Array = self._state.get_vector()
        return found

    def pull_back(
        self, angles: Array, cotangent: Array, by_initial: bool
    ) -> tuple[Array, Array | None]:
        result = np.zeros(len(angles) - 1)
        self._bra.load(cotangent.astype(np.complex128))
        back, state, bra = self._backward, self._state, self._bra
        back.set(angles)
        for start, stop, readers in self._pieces:
            if stop > start:
                back.circuit.update_quantum_state(state, start, stop)
                back.circuit.update_quantum_state(bra, start, stop)
            for column, read in readers:
                result[column] = read(bra, state).imag / 2
        if not by_initial:
            return result, None
        if self._rest[1] > self._rest[0]:
            back.circuit.update_quantum_state(bra, *self._rest)
        return result, bra.get_vector()

    def _reader(self, turn: Turn) -> Any:
        """Returns a function from bra and state to <bra|P|state>."""
        q, n = self._qulacs, self._forward.n_qubits
        if len(turn.qubits) > 1 or n < _QUBITS_FOR_COPIES:
            words = [f"{p} {n - 1 - q}" for p, q in zip(turn.paulis, turn.qubits, strict=True)]
            return q.PauliOperator(" ".join(words), 1.0).get_transition_amplitude
        gate = getattr(q.gate, turn.paulis)(n - 1 - turn.qubits[0])
        copy, inner_product = self._copy, q.state.inner_product

        def read(bra: Any, state: Any) -> complex:
            copy.load(state)
            gate.update_quantum_state(copy)
            found: complex = inner_product(bra, copy)
            return found

        return read


class _Circuit:
    """A parametric circuit and which column of the table each of its parameters reads."""

    def __init__(self, qulacs: Any, n_qubits: int) -> None:
        self.n_qubits = n_qubits
        self.circuit = qulacs.ParametricQuantumCircuit(n_qubits)
        self._gates = qulacs.gate
        self._columns: list[int] = []

    def add(self, step: Step) -> None:
        """Appends a step; Qulacs counts qubits from the least significant one."""
        if isinstance(step, Turn):
            self._columns.append(step.column)
            qubits = [self.n_qubits - 1 - q for q in step.qubits]
            if len(qubits) == 1:
                add = getattr(self.circuit, f"add_parametric_R{step.paulis}_gate")
                return add(qubits[0], 0.0)
            ids = [_PAULI_IDS[pauli] for pauli in step.paulis]
            return self.circuit.add_parametric_multi_Pauli_rotation_gate(qubits, ids, 0.0)
        controls = [self.n_qubits - 1 - q for q in step.controls]
        if isinstance(step, Flip):
            target = self.n_qubits - 1 - step.target
            gate = self._flip(target, controls)
        else:
            targets = [self.n_qubits - 1 - q for q in step.targets]
            if isinstance(step, Swap):
                gate = self._gates.SWAP(*targets)
                gate = self._gates.to_matrix_gate(gate) if controls else gate
            else:
                gate = self._gates.DenseMatrix(targets[::-1], thaw(step.matrix))
            self._control(gate, controls)
        self.circuit.add_gate(gate)

    def set(self, angles: Array) -> None:
        set_parameter = self.circuit.set_parameter
        for index, angle in enumerate(angles[self._columns].tolist()):
            set_parameter(index, angle)

    def run(self, angles: Array, state: Any) -> None:
        self.set(angles)
        self.circuit.update_quantum_state(state)

    def _flip(self, target: int, controls: list[int]) -> Any:
        if not controls:
            return self._gates.X(target)
        if len(controls) == 1:
            return self._gates.CNOT(controls[0], target)
        gate = self._gates.to_matrix_gate(self._gates.X(target))
        self._control(gate, controls)
        return gate

    def _control(self, gate: Any, controls: list[int]) -> None:
        for qubit in controls:
            gate.add_control_qubit(qubit, 1)


@remember(of_programs, most=64)
def _lowered(program: Program) -> Rotations:
    return lower(program)
