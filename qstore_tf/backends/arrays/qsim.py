"""The backend on qsim, Google's state-vector simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from qstore_tf.backends.arrays.base import Array, ArrayBackend
from qstore_tf.backends.arrays.blocks import WIDEST_CONTROLLED, Blocks, blocks_of
from qstore_tf.backends.arrays.measuring import draw
from qstore_tf.backends.arrays.qsim_options import OPTIONS, WIDEST, check_fusion, read_options
from qstore_tf.backends.arrays.rows import finite_only, for_each, row_seed
from qstore_tf.backends.arrays.rows import thread_count as threads_of
from qstore_tf.backends.base import Batch, Capabilities
from qstore_tf.checks import check_observables, check_threads
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.primitives import Unitary
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, LibraryError, describe

# Rows whose matrices are in memory at once.
_ROWS = 256
# Smaller states are done before threads pay.
_QUBITS_FOR_THREADS = 16


class Qsim(ArrayBackend):
    """Simulates in qsim, in float32: state vectors, expectations and samples.

    The circuits of a batch run one after another, because qsimcirq holds Python's lock while it
    computes; large states are shared by qsim's own threads. Gates reach qsim as matrices that are
    computed for the whole batch, so that nothing is translated gate by gate and sample by sample.

    Args:
        num_threads: Threads for one state of at least 16 qubits; 0 means all cores the process may
            use, or what the environment variable QSTORE_NUM_THREADS says.
        max_fused_gate_size: Qubits of the largest gate into which qsim fuses others, 1 to 6.
        qsim_options: More of `qsimcirq.QSimOptions`, by its names or one-letter keys, which wins
            over the other arguments: `{"cpu_threads": 4}` uses 4 threads at any size.

    Raises:
        ConfigurationError: An option is unknown or out of range.
        LibraryError: qsimcirq cannot be imported.

    Example:
        >>> Qsim(num_threads=1)
        Qsim(num_threads=1, max_fused_gate_size=2, qsim_options={})
    """

    name = "qsim"
    capabilities = Capabilities(state_vector=True, exact=True, adjoint=False, dtypes=("float32",))

    def __init__(
        self,
        num_threads: int = 0,
        max_fused_gate_size: int = 2,
        qsim_options: Mapping[str, Any] | Any = None,
    ) -> None:
        """Imports qsim and keeps the options."""
        self._qsim = _import_qsim()
        self.num_threads = check_threads(num_threads)
        self.max_fused_gate_size = check_fusion(max_fused_gate_size)
        self.qsim_options = read_options(qsim_options)

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same backend again."""
        return {
            "num_threads": self.num_threads,
            "max_fused_gate_size": self.max_fused_gate_size,
            "qsim_options": dict(self.qsim_options),
        }

    def check(self, program: Program) -> None:
        """Raises ConfigurationError where a gate is on more qubits than qsim can apply."""
        for number, gate in enumerate(program.gates):
            controls, targets = gate.controls, gate.targets
            too_wide = len(targets) > WIDEST_CONTROLLED and len(targets + controls) > WIDEST
            if isinstance(gate, Unitary) and too_wide:
                raise ConfigurationError(
                    describe(
                        f"qsim cannot apply gate {number} of the program, a Unitary on qubits "
                        f"{targets} under the controls {controls}",
                        expected=f"at most {WIDEST_CONTROLLED} targets under controls, or "
                        f"{WIDEST} targets and controls together",
                        hint="Use backend='native', or decompose the gate",
                    )
                )

    def expectation(
        self, batch: Batch, observables: Sequence[PauliSum], seed: Sequence[int] | None = None
    ) -> Array:
        """Returns expectations [B, K]; see `ArrayBackend.expectation`."""
        check_observables(observables, batch.program.n_qubits)
        sums = [self._sum(observable, batch.program.n_qubits) for observable in observables]
        run = self._qsim.qsim_simulate_expectation_values

        def of_row(options: dict[str, Any], start: Any) -> Array:
            return np.real(run(options, sums, 0 if start is None else start))

        values = self._run(batch, of_row, np.float32, len(observables))
        identities = [sum(t.coefficient for t in o.terms if not t.paulis) for o in observables]
        if batch.initial is not None and any(identities):
            # qsim adds the identity as it is, whatever the length of the state.
            squares = batch.initial.real**2 + batch.initial.imag**2
            lengths = squares.sum(axis=1, keepdims=True)
            values += (lengths - 1.0) * np.array(identities, np.float32)
        return values

    def state_vector(self, batch: Batch) -> Array:
        """Returns states [B, 2^n]; see `ArrayBackend.state_vector`."""
        return self._run(batch, self._state, np.complex64, 2**batch.program.n_qubits)

    def sample(self, batch: Batch, shots: int, seed: Sequence[int]) -> Array:
        """Returns samples int64 [B, shots]; see `ArrayBackend.sample`."""

        def of_row(options: dict[str, Any], start: Any) -> Any:
            if start is None:
                return self._qsim.qsim_sample_final(options, shots)
            # qsim samples from circuits that start in |0...0> only.
            return draw(self._state(options, start), shots, options["s"])

        return self._run(batch, of_row, np.int64, shots, seed)

    def _state(self, options: dict[str, Any], start: Any) -> Array:
        found = self._qsim.qsim_simulate_fullstate(options, 0 if start is None else start)
        # States of one qubit come with the rest of a vector register.
        return found.view(np.complex64)[: 2 ** options["c"].num_qubits]

    def _run(
        self,
        batch: Batch,
        of_row: Callable[[dict[str, Any], Any], Any],
        dtype: type,
        width: int,
        seed: Sequence[int] | None = None,
    ) -> Array:
        """Returns [B, width], what `of_row(qsim's options, start)` returns for each sample."""
        program, inputs, initial = batch.program, batch.inputs, batch.initial
        blocks = blocks_of(program)
        options = self._options(program.n_qubits)
        out: Array = np.empty((len(inputs), width), dtype)
        numbers: Array = np.empty((0, 0))

        def each(row: int) -> None:
            nonlocal numbers
            if row % _ROWS == 0:
                numbers = _numbers(blocks, inputs[row : row + _ROWS], batch.theta)
            checked(row)

        def run(row: int) -> None:
            circuit = self._circuit(blocks, numbers[row % _ROWS].tolist(), program.n_qubits)
            chosen = 0 if seed is None else row_seed(seed, row)
            start = None if initial is None else np.ascontiguousarray(initial[row])
            start = None if start is None else start.view(np.float32)
            out[row] = of_row({**options, "c": circuit, "s": chosen}, start)

        checked = finite_only(run, out, batch)
        for_each(each, len(inputs), 1, "qsim circuit")
        return out

    def _circuit(self, blocks: Blocks, numbers: list[float], n_qubits: int) -> Any:
        circuit, add = self._qsim.Circuit(), self._qsim.add_matrix_gate
        circuit.num_qubits = n_qubits
        first = 0
        for time, block in enumerate(blocks.layout):
            last = first + 2 * 4 ** len(block.targets)
            # qsim counts qubits from the least significant one.
            add(time, [n_qubits - 1 - q for q in block.targets], numbers[first:last], circuit)
            first = last
            if block.controls:
                controls = [n_qubits - 1 - q for q in block.controls]
                self._qsim.control_last_gate(controls, [1] * len(controls), circuit)
        return circuit

    def _sum(self, observable: PauliSum, n_qubits: int) -> tuple[list[Any], int]:
        strings = []
        for term in observable.terms:
            string = self._qsim.OpString()
            string.weight = term.coefficient
            for qubit, pauli in term.paulis:
                kind = getattr(self._qsim, f"k{pauli}")
                self._qsim.add_gate_to_opstring(kind, [n_qubits - 1 - qubit], string)
            strings.append(string)
        qubits = {qubit for term in observable.terms for qubit, _ in term.paulis}
        return strings, len(qubits)

    def _options(self, n_qubits: int) -> dict[str, Any]:
        import qsimcirq

        threads = threads_of(self.num_threads) if n_qubits >= _QUBITS_FOR_THREADS else 1
        options = qsimcirq.QSimOptions(self.max_fused_gate_size, threads).as_dict()
        return {**options, **{OPTIONS[name]: value for name, value in self.qsim_options.items()}}


def _numbers(blocks: Blocks, inputs: Array, theta: Array) -> Array:
    """Returns the entries of all matrices, row-major re, im, re, im, ...: [B, numbers]."""
    with np.errstate(invalid="ignore"):  # rows that are not finite are left out later
        found = blocks.matrices(inputs, theta)
    rows = len(inputs)
    flat = [np.ascontiguousarray(m).view(np.float64).reshape(len(m), -1) for m in found]
    wide = [np.broadcast_to(part, (rows, part.shape[1])) for part in flat]
    return np.concatenate(wide, axis=1) if wide else np.empty((rows, 0))


def _import_qsim() -> Any:
    try:
        import qsimcirq
    except ImportError as error:
        raise LibraryError(
            describe(
                f"Backend 'qsim' needs qsimcirq, which cannot be imported ({error})",
                hint="Install it: pip install qsimcirq",
            )
        ) from error
    return qsimcirq.qsim
