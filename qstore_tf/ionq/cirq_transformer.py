"""The compiler as a transformer of Cirq: a circuit in, one of cirq-ionq's native gates out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import cirq
import cirq_ionq

from qstore_tf.circuits.formats.cirq.reading import from_cirq
from qstore_tf.errors import ConversionError, describe
from qstore_tf.ionq.compiling import Compiled, compile
from qstore_tf.ionq.targets import Target


@cirq.transformer
def compile_for_ionq(
    circuit: cirq.AbstractCircuit,
    *,
    context: cirq.TransformerContext | None = None,
    target: str | Target = "forte-1",
    optimization_level: int = 3,
    entangler: str | None = None,
    max_partial: float = 0.25,
    approximation: float = 0.0,
    search: bool = False,
) -> cirq.Circuit:
    """Compiles a Cirq circuit to the native gates of an IonQ machine.

    The result is on the same qubits, in `cirq_ionq.GPIGate`, `GPI2Gate` and `ZZGate` or `MSGate`.
    Measurements keep their keys and come last, each on the qubits where what it measures has
    ended (a SWAP is no gate but a change of names), so that results are those of the circuit.
    What no measurement can see, turns about Z before them, is left out.

    A circuit without measurements keeps its unitary up to a global phase; the turns about Z then
    take two pulses a qubit. So measure first, then compile.

    Args:
        circuit: The circuit, without symbols, on qubits of dimension 2; measurements at the end.
        context: Tags to ignore cannot be kept and are refused where they occur; subcircuits are
            always compiled as part of the whole.
        target: As in `compile`.
        optimization_level: As in `compile`.
        entangler: As in `compile`.
        max_partial: As in `compile`, in turns.
        approximation: As in `compile`, an infidelity.
        search: As in `compile`.

    Returns:
        The native circuit.

    Raises:
        ConversionError: There are symbols, an operation that cannot be compiled (noise, resets,
            classical control), a gate after a measurement on the same qubit, or a qubit that ends
            in another's place in a circuit without measurements.
        CircuitError: More qubits than the target has.
        ConfigurationError: An option makes no sense.

    Example:
        >>> a, b = cirq.LineQubit.range(2)
        >>> bell = cirq.Circuit(cirq.H(a), cirq.CNOT(a, b), cirq.measure(a, b, key="m"))
        >>> native = compile_for_ionq(bell, target="aria-1")
        >>> [type(op.gate).__name__ for op in native.all_operations() if len(op.qubits) > 1]
        ['MSGate', 'MeasurementGate']
    """
    qubits = sorted(circuit.all_qubits())
    if not qubits:
        return cirq.Circuit()
    flat = cirq.unroll_circuit_op(circuit, deep=True, tags_to_check=None)
    _refuse_ignored(circuit, context)
    gates, measurements = _split(flat)
    compiled = compile(
        from_cirq(cirq.Circuit(gates), qubit_order=qubits),
        target,
        optimization_level=optimization_level,
        entangler=entangler,
        max_partial=max_partial,
        approximation=approximation,
        search=search,
    )
    if compiled.symbols:
        raise ConversionError(
            describe(
                "The Cirq circuit has symbols: " + ", ".join(compiled.symbols),
                expected="numbers",
                hint="Resolve them, as in cirq.resolve_parameters(circuit, {'x': 0.1})",
            )
        )
    wires = compiled.output_permutation
    ends = {qubit: qubits[wire] for qubit, wire in zip(qubits, wires, strict=True)}
    if not measurements:
        moved = [qubit for qubit in qubits if ends[qubit] != qubit]
        if moved:
            raise ConversionError(
                describe(
                    f"Qubit {moved[0]} ends in the place of another, and nothing measures it",
                    expected="measurements, which are moved along",
                    hint="Measure before compiling, or use qstore_tf.ionq.compile, which returns "
                    "the permutation",
                )
            )
        return cirq.Circuit(_gates(compiled, qubits), _turns(compiled, qubits))
    return cirq.Circuit(
        _gates(compiled, qubits),
        [measurement.transform_qubits(ends) for measurement in measurements],
    )


def _refuse_ignored(circuit: cirq.AbstractCircuit, context: cirq.TransformerContext | None) -> None:
    ignored = set(context.tags_to_ignore) if context is not None else set()
    for operation in circuit.all_operations() if ignored else ():
        if ignored.intersection(operation.tags):
            raise ConversionError(
                describe(
                    f"Cirq's {operation!r} has a tag to ignore",
                    expected="a circuit of which everything may be compiled",
                    hint="Compile the circuit in parts, or without tags_to_ignore",
                )
            )


def _split(
    circuit: cirq.AbstractCircuit,
) -> tuple[list[cirq.Operation], list[cirq.Operation]]:
    """Returns gates and measurements, which have to be the last on their qubits."""
    gates: list[cirq.Operation] = []
    measurements: list[cirq.Operation] = []
    measured: set[cirq.Qid] = set()
    for operation in circuit.all_operations():
        again = measured.intersection(operation.qubits)
        if again:
            raise ConversionError(
                describe(
                    f"Qubit {min(again)} is used after it is measured, by Cirq's {operation!r}",
                    expected="measurements at the end",
                )
            )
        if isinstance(operation.gate, cirq.MeasurementGate):
            measurements.append(operation)
            measured.update(operation.qubits)
        elif cirq.is_measurement(operation):
            raise ConversionError(
                describe(
                    f"Cirq's {operation!r} cannot be compiled",
                    expected="cirq.measure of single qubits",
                )
            )
        else:
            gates.append(operation)
    return gates, measurements


def _gates(compiled: Compiled, qubits: Sequence[cirq.Qid]) -> Iterator[cirq.Operation]:
    row = compiled.bind().columns[0].tolist()
    for native in compiled.template.gates:
        numbers = [row[column] for column in native.columns]
        on = [qubits[wire] for wire in native.wires]
        yield _gate(native.name, numbers).on(*on)


def _gate(name: str, numbers: Sequence[float]) -> cirq.Gate:
    made: cirq.Gate
    if name == "GPi":
        made = cirq_ionq.GPIGate(phi=numbers[0])
    elif name == "GPi2":
        made = cirq_ionq.GPI2Gate(phi=numbers[0])
    elif name == "MS":
        made = cirq_ionq.MSGate(phi0=numbers[0], phi1=numbers[1], theta=numbers[2])
    else:
        made = cirq_ionq.ZZGate(theta=numbers[0])
    return made


def _turns(compiled: Compiled, qubits: Sequence[cirq.Qid]) -> Iterator[cirq.Operation]:
    """The turns about Z that are left, as pulses: RZ(t) is GPi(0), then GPi(t / 4 pi)."""
    for qubit, turn in zip(qubits, compiled.bind().frames[0].tolist(), strict=True):
        turn = math.remainder(turn, 2 * math.pi)
        if abs(turn) > 1e-9:
            yield cirq_ionq.GPIGate(phi=0.0).on(qubit)
            yield cirq_ionq.GPIGate(phi=turn / (4 * math.pi)).on(qubit)
