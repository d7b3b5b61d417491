"""The backend on PennyLane's Lightning simulators."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from qstore_tf.backends.arrays.base import Array
from qstore_tf.backends.arrays.lightning_gates import Lowered, Op, lowered
from qstore_tf.backends.arrays.one_by_one import OneByOne, Runner
from qstore_tf.backends.arrays.rows import thread_count
from qstore_tf.backends.base import Capabilities
from qstore_tf.backends.extras import require
from qstore_tf.checks import check_threads
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, LibraryError, describe, did_you_mean

# Smaller sweeps are done before threads pay.
_QUBITS_FOR_THREADS = 8
# The device whose state vectors are used directly.
_CPU = "lightning.qubit"
_DEVICES = (_CPU, "lightning.gpu", "lightning.kokkos")


class Lightning(OneByOne):
    """Simulates in PennyLane Lightning, in the precision of the layer.

    Programs go straight to the simulator's state vectors; no PennyLane circuit is built. Gradients
    are Lightning's own adjoint sweep, one for the whole weighted sum of observables, in inputs,
    theta and initial state. Lightning holds Python's lock while it applies gates but not while
    it sweeps, so the gradients of a batch are shared by threads.

    Args:
        device: "lightning.qubit" (CPU). "lightning.gpu" and "lightning.kokkos" run through
            PennyLane's devices where their packages are installed; they return states without
            gradients, so training uses parameter_shift.
        num_threads: Threads for the gradients of a batch; 0 means all cores the process may use,
            or what the environment variable QSTORE_NUM_THREADS says.

    Raises:
        ConfigurationError: There is no such device, or `num_threads` is not an integer >= 0.
        LibraryError: What the device needs is not installed.
    """

    name = "lightning"
    capabilities = Capabilities(
        state_vector=True, exact=True, adjoint=True, dtypes=("float32", "float64")
    )

    def __init__(self, device: str = _CPU, num_threads: int = 0) -> None:
        """Imports the simulator and keeps the options."""
        if device not in _DEVICES:
            raise ConfigurationError(
                describe(
                    f"There is no Lightning device {device!r}",
                    hint=did_you_mean(str(device), _DEVICES),
                )
            )
        self.device = device
        self.num_threads = check_threads(num_threads)
        if device == _CPU:
            _import_ops()
        else:
            self.capabilities = replace(self.capabilities, adjoint=False)
            _import_device(device)

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same backend again."""
        return {"device": self.device, "num_threads": self.num_threads}

    def _threads(self, program: Program, sweeps: bool) -> int:
        if not sweeps or program.n_qubits < _QUBITS_FOR_THREADS:
            return 1
        return thread_count(self.num_threads)

    def _make(self, program: Program, double: bool) -> Runner:
        kind = _StateVectorRunner if self.device == _CPU else _DeviceRunner
        return kind(self.device, program.n_qubits, lowered(program), double)


class _StateVectorRunner(Runner):
    """Runs on the state vectors beneath PennyLane's `lightning.qubit`."""

    def __init__(self, device: str, n_qubits: int, lowered: Lowered, double: bool) -> None:
        library = _import_ops()
        bits = "C128" if double else "C64"
        self.table = lowered.table
        self._dtype = np.dtype(np.complex128 if double else np.complex64)
        self._size = 2**n_qubits
        self._state = getattr(library, f"StateVector{bits}")(n_qubits)
        self._bra = getattr(library, f"StateVector{bits}")(n_qubits)
        self._forward = [self._bound(self._state, op) for op in lowered.ops]
        self._backward = [self._bound(self._bra, op, undo=True) for op in lowered.ops[::-1]]
        self._sweep = getattr(library.algorithms, f"VectorJacobianProduct{bits}")()
        self._create = getattr(library.algorithms, f"create_ops_list{bits}")
        swept = [part for op in lowered.ops for part in op.for_sweep()]
        turns = [op for op in swept if op.column is not None or op.angle is not None]
        self._trained = [number for number, op in enumerate(turns) if op.moves]
        self._trained_columns = [op.column for op in turns if op.column is not None and op.moves]
        self._params = [[] if op.angle is None else [op.angle] for op in swept]
        self._turns = [(k, op.column) for k, op in enumerate(swept) if op.column is not None]
        self._names = [op.name for op in swept]
        none = np.zeros(0, self._dtype)
        self._fixed = (
            [list(op.wires) for op in swept],
            [op.inverse for op in swept],
            [none if op.matrix is None else self._flat(op.matrix) for op in swept],
            [list(op.controls) for op in swept],
            [op.values for op in swept],
        )

    def state(self, angles: Array, initial: Array | None) -> Array:
        if initial is None:
            self._state.resetStateVector()
        else:
            self._load(self._state, np.ascontiguousarray(initial, self._dtype))
        _apply(self._forward, angles)
        return self._read(self._state)

    def pull_back(
        self, angles: Array, cotangent: Array, by_initial: bool
    ) -> tuple[Array, Array | None]:
        bra = np.ascontiguousarray(cotangent, self._dtype)
        result = np.zeros(len(angles) - 1)
        if self._trained:
            numbers = angles.tolist()
            params = self._params
            for position, column in self._turns:
                params[position] = [numbers[column]]
            ops = self._create(self._names, params, *self._fixed)
            found = self._sweep(self._state, ops, bra, self._trained)
            result[self._trained_columns] = np.real(found)
        if not by_initial:
            return result, None
        self._load(self._bra, bra)
        _apply(self._backward, angles)
        return result, self._read(self._bra)

    def _flat(self, matrix: Array) -> Array:
        return np.ascontiguousarray(matrix, self._dtype).reshape(-1)

    def _load(self, state: Any, vector: Array) -> None:
        # Lightning 0.42 spells it in capitals.
        load = getattr(state, "updateData", None) or state.UpdateData
        load(vector)

    def _read(self, state: Any) -> Array:
        out = np.empty(self._size, self._dtype)
        state.getState(out)
        return out

    def _bound(self, state: Any, op: Op, undo: bool = False) -> tuple[Any, tuple[Any, ...], int]:
        """Returns the method that applies a gate, its arguments but for the angle, its column."""
        wires, controls = list(op.wires), list(op.controls)
        inverse = op.inverse != undo
        column = -1 if op.column is None else op.column
        if op.matrix is not None:
            matrix = np.ascontiguousarray(op.matrix, self._dtype)
            if controls:
                return (
                    state.applyControlledMatrix,
                    (matrix, controls, op.values, wires, inverse),
                    column,
                )
            return state.applyMatrix, (matrix, wires, inverse), column
        before = (controls, op.values, wires, inverse) if controls else (wires, inverse)
        if op.column is None:
            return getattr(state, op.name), (*before, []), column
        return getattr(state, op.name), before, column


class _DeviceRunner(Runner):
    """Runs circuits on any of PennyLane's devices; slower for each circuit, and no sweep."""

    def __init__(self, device: str, n_qubits: int, lowered: Lowered, double: bool) -> None:
        self._pennylane = require("pennylane", "lightning", "lightning")
        self.table = lowered.table
        self._ops = lowered.ops
        self._wires = list(range(n_qubits))
        self._dtype = np.dtype(np.complex128 if double else np.complex64)
        self._name = device
        self._device = self._pennylane.device(device, wires=n_qubits, c_dtype=self._dtype.type)

    def state(self, angles: Array, initial: Array | None) -> Array:
        library, numbers = self._pennylane, angles.tolist()
        gates = [self._gate(op, numbers) for op in self._ops]
        if initial is not None:
            start = np.ascontiguousarray(initial, self._dtype)
            gates.insert(0, library.StatePrep(start, self._wires, validate_norm=False))
        tape = library.tape.QuantumScript(gates, [library.state()])
        (found,) = library.execute([tape], self._device, diff_method=None)
        return np.array(found, self._dtype)

    def pull_back(
        self, angles: Array, cotangent: Array, by_initial: bool
    ) -> tuple[Array, Array | None]:
        raise ConfigurationError(
            describe(
                f"Lightning's device {self._name!r} returns results without gradients here",
                hint="Use gradient='parameter_shift' or device='lightning.qubit'",
            )
        )

    def _gate(self, op: Op, angles: list[float]) -> Any:
        library = self._pennylane
        made = getattr(library, op.name)
        if op.matrix is not None:
            gate = made(op.matrix.astype(self._dtype), wires=op.wires)
        elif op.column is not None:
            gate = made(angles[op.column], wires=op.wires)
        else:
            gate = made(wires=op.wires)
        gate = library.adjoint(gate) if op.inverse else gate
        return library.ctrl(gate, op.controls) if op.controls else gate


def _apply(gates: list[tuple[Any, tuple[Any, ...], int]], angles: Array) -> None:
    numbers = angles.tolist()
    for method, arguments, column in gates:
        if column < 0:
            method(*arguments)
        else:
            method(*arguments, [numbers[column]])


def _import_ops() -> Any:
    return require("pennylane_lightning.lightning_qubit_ops", "lightning", "lightning")


def _import_device(name: str) -> None:
    library = require("pennylane", "lightning", "lightning")
    try:
        library.device(name, wires=1)
    except Exception as error:  # each device has its own ways to say that it cannot run here
        package = "pennylane-" + name.replace(".", "-")
        raise LibraryError(
            describe(
                f"PennyLane's device {name!r} cannot run here ({type(error).__name__}: {error})",
                hint=f"Install it: pip install {package}, or use device='lightning.qubit'",
            )
        ) from error
