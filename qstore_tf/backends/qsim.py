"""The backend on qsim, Google's state-vector simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.backends.base import Backend, Capabilities
from qstore_tf.backends.batch import check_threads, finite_only, for_each, row_seed, run_batch
from qstore_tf.backends.batch import thread_count as threads_of
from qstore_tf.backends.blocks import WIDEST_CONTROLLED, Array, Blocks, blocks_of
from qstore_tf.backends.measuring import draw
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.primitives import Unitary
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, LibraryError, describe, did_you_mean
from qstore_tf.ops import plain
from qstore_tf.ops.inputs import check_observables, check_sampling, prepare

# Rows whose matrices are in memory at once.
_ROWS = 256
# Smaller states are done before threads pay.
_QUBITS_FOR_THREADS = 16
# What qsim applies as one matrix, controls that are part of it included.
_WIDEST = 6

_OPTIONS = {
    "max_fused_gate_size": "f",
    "cpu_threads": "t",
    "verbosity": "v",
    "denormals_are_zeros": "z",
}


class Qsim(Backend):
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
        self.max_fused_gate_size = _check_fusion(max_fused_gate_size)
        self.qsim_options = _read_options(qsim_options)

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
            too_wide = len(targets) > WIDEST_CONTROLLED and len(targets + controls) > _WIDEST
            if isinstance(gate, Unitary) and too_wide:
                raise ConfigurationError(
                    describe(
                        f"qsim cannot apply gate {number} of the program, a Unitary on qubits "
                        f"{targets} under the controls {controls}",
                        expected=f"at most {WIDEST_CONTROLLED} targets under controls, or "
                        f"{_WIDEST} targets and controls together",
                        hint="Use backend='native', or decompose the gate",
                    )
                )

    def expectation(
        self,
        program: Program,
        observables: Sequence[PauliSum],
        inputs: Any,
        theta: Any,
        initial_state: Any = None,
        *,
        seed: Any = None,
    ) -> tf.Tensor:
        """Returns expectations [B, K]; see `Backend.expectation`."""
        given = self._tensors(program, inputs, theta, initial_state)
        check_observables(observables, program.n_qubits)
        sums = [self._sum(observable, program.n_qubits) for observable in observables]
        run = self._qsim.qsim_simulate_expectation_values

        def row(options: dict[str, Any], start: Any) -> Array:
            return np.real(run(options, sums, 0 if start is None else start))

        values = self._run(program, row, given, tf.float32, len(observables))
        identities = [sum(t.coefficient for t in o.terms if not t.paulis) for o in observables]
        if given[2] is not None and any(identities):
            # qsim adds the identity as it is, whatever the length of the state.
            values += (plain.squared_length(given[2]) - 1.0) * tf.constant(identities, tf.float32)
        return values

    def state_vector(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None
    ) -> tf.Tensor:
        """Returns states [B, 2^n]; see `Backend.state_vector`."""
        given = self._tensors(program, inputs, theta, initial_state)
        size = 2**program.n_qubits
        return self._run(program, self._state, given, tf.complex64, size)

    def probabilities(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None
    ) -> tf.Tensor:
        """Returns probabilities [B, 2^n]; see `Backend.probabilities`."""
        return plain.squared_magnitude(self.state_vector(program, inputs, theta, initial_state))

    def sample(
        self,
        program: Program,
        inputs: Any,
        theta: Any,
        initial_state: Any = None,
        *,
        shots: int,
        seed: Any,
    ) -> tf.Tensor:
        """Returns samples int64 [B, shots]; see `Backend.sample`."""
        given = self._tensors(program, inputs, theta, initial_state)
        seed = check_sampling(shots, seed)

        def row(options: dict[str, Any], start: Any) -> Any:
            if start is None:
                return self._qsim.qsim_sample_final(options, shots)
            # qsim samples from circuits that start in |0...0> only.
            return draw(self._state(options, start), shots, options["s"])

        return self._run(program, row, given, tf.int64, shots, seed)

    def _tensors(
        self, program: Program, inputs: Any, theta: Any, initial: Any
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
        given = prepare(program, inputs, theta, initial)
        self.check_dtype(given[0].dtype)
        return given

    def _state(self, options: dict[str, Any], start: Any) -> Array:
        found = self._qsim.qsim_simulate_fullstate(options, 0 if start is None else start)
        # States of one qubit come with the rest of a vector register.
        return found.view(np.complex64)[: 2 ** options["c"].num_qubits]

    def _run(
        self,
        program: Program,
        row: Callable[[dict[str, Any], Any], Any],
        given: tuple[tf.Tensor, tf.Tensor, tf.Tensor | None],
        out_dtype: tf.DType,
        width: int,
        seed: Any = None,
    ) -> tf.Tensor:
        """Returns [B, width], what `row(qsim's options, start)` returns for each sample."""
        self.check(program)
        blocks = blocks_of(program)
        options = self._options(program.n_qubits)

        def batch(inputs: Array, theta: Array, start: Any, key: Any, _: Any) -> Array:
            out = np.empty((len(inputs), width), tf.as_dtype(out_dtype).as_numpy_dtype)
            numbers: Array = np.empty((0, 0))

            def one(index: int) -> None:
                nonlocal numbers
                if index % _ROWS == 0:
                    numbers = _numbers(blocks, inputs[index : index + _ROWS], theta)
                checked(index)

            def run(index: int) -> None:
                circuit = self._circuit(blocks, numbers[index % _ROWS].tolist(), program.n_qubits)
                chosen = 0 if key is None else row_seed(key, index)
                begin = None if start is None else np.ascontiguousarray(start[index])
                begin = None if begin is None else begin.view(np.float32)
                out[index] = row({**options, "c": circuit, "s": chosen}, begin)

            checked = finite_only(run, out, inputs, theta, start)
            for_each(one, len(inputs), 1, "qsim circuit")
            return out

        return run_batch(batch, *given, out_dtype, width, seed=seed)

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
        return {**options, **{_OPTIONS[name]: value for name, value in self.qsim_options.items()}}


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


def _check_fusion(size: Any) -> int:
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= _WIDEST:
        raise ConfigurationError(
            describe(
                "`max_fused_gate_size` is not a number of qubits that qsim fuses",
                expected=f"an integer from 1 to {_WIDEST}",
                received=size,
            )
        )
    return size


def _read_options(given: Any) -> dict[str, Any]:
    """Returns the options that differ from qsim's own defaults, by their long names."""
    import qsimcirq

    standard = qsimcirq.QSimOptions()
    if isinstance(given, qsimcirq.QSimOptions):
        given = {k: v for k, v in vars(given).items() if v != getattr(standard, k)}
    if not isinstance(given, (Mapping, type(None))):
        raise ConfigurationError(
            describe(
                "`qsim_options` cannot be read",
                expected="a dict or qsimcirq.QSimOptions",
                received=given,
            )
        )
    long: dict[Any, str] = {letter: name for name, letter in _OPTIONS.items()}
    found = {long.get(name, str(name)): value for name, value in (given or {}).items()}
    for name, value in found.items():
        if name not in _OPTIONS:
            raise ConfigurationError(
                describe(
                    f"There is no option {name!r} of qsim that this backend takes",
                    hint=did_you_mean(name, _OPTIONS),
                )
            )
        least = 1 if name == "cpu_threads" else 0
        if name == "max_fused_gate_size":
            _check_fusion(value)
        elif not isinstance(value, (bool, int)) or value < least:
            raise ConfigurationError(
                describe(f"qsim's option {name!r} is out of range", received=value)
            )
    return found
