"""Compiles circuits: symbols become slots, gates become primitives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.primitives import Angle, CompiledPrimitive, Phase, Rot, SymbolicPrimitive
from qstore_tf.circuits.program import Program
from qstore_tf.circuits.symbols import Affine, check_symbol_name
from qstore_tf.errors import CircuitError, describe, did_you_mean


def compile_circuit(
    circuit: Circuit,
    inputs: Sequence[str] = (),
    theta: Sequence[str] | None = None,
    has_initial: bool = False,
) -> Program:
    """Compiles a circuit: symbols become slots, gates become primitives.

    Args:
        circuit: The circuit. Its measurement markers are dropped.
        inputs: Symbols that are fed per sample, in the order of the columns of `inputs`.
        theta: Symbols that are shared by the batch, in the order of `theta`. None means all
            remaining symbols in order of appearance.
        has_initial: Whether runs start from a given state.

    Raises:
        CircuitError: A symbol is listed twice, or a symbol of the circuit is in neither list.

    Example:
        >>> from qstore_tf.circuits import UnifiedCircuit
        >>> circuit = UnifiedCircuit(1).add_gate("RX", 0, "x").add_gate("RZ", 0, "2*a")
        >>> print(compile_circuit(circuit, inputs=["x"]).to_text())
        qstore_program 1
        qubits 1
        inputs 1
        theta 1
        initial 0
        rot X 0 - 1.0*i0
        rot Z 0 - 2.0*t0
        <BLANKLINE>
    """
    input_names = [check_symbol_name(name) for name in _listed(inputs)]
    if theta is None:
        listed = set(input_names)
        theta_names = [name for name in circuit.parameters if name not in listed]
    else:
        theta_names = [check_symbol_name(name) for name in _listed(theta)]
    slots: dict[str, tuple[str, int]] = {}
    for kind, names in (("i", input_names), ("t", theta_names)):
        for slot, name in enumerate(names):
            if name in slots:
                raise CircuitError(
                    describe(
                        f"Symbol {name!r} is listed twice",
                        expected="every symbol once, among the inputs or among theta",
                    )
                )
            slots[name] = (kind, slot)
    gates = tuple(
        _resolve(primitive, slots)
        for operation in circuit.operations
        for primitive in operation.primitives()
    )
    return Program(circuit.n_qubits, len(input_names), len(theta_names), has_initial, gates)


def _listed(names: Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _resolve(
    primitive: SymbolicPrimitive, slots: Mapping[str, tuple[str, int]]
) -> CompiledPrimitive:
    if isinstance(primitive, Rot):
        angle = _resolve_angle(primitive.angle, slots)
        return Rot(primitive.paulis, primitive.targets, angle, primitive.controls)
    if isinstance(primitive, Phase):
        return Phase(_resolve_angle(primitive.angle, slots), primitive.controls)
    return primitive


def _resolve_angle(angle: Affine, slots: Mapping[str, tuple[str, int]]) -> Angle:
    for name in angle.symbols:
        if name not in slots:
            raise CircuitError(
                describe(
                    f"Symbol {name!r} is not bound: it is neither an input nor a trained parameter",
                    hint=f"List it in `inputs` or `theta`, or bind it. {did_you_mean(name, slots)}",
                )
            )
    return Angle(angle.constant, tuple((*slots[name], c) for name, c in angle.terms))
