"""What the gate table says of a gate, and the short forms in which its rows are written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from qstore_tf.circuits.gates.matrices import ComplexArray
from qstore_tf.circuits.primitives import Phase, Rot, SymbolicPrimitive
from qstore_tf.circuits.symbols import Affine

PI = math.pi
TURN = 2 * math.pi

Params = tuple[Affine, ...]
# One step of a decomposition: gate name, local qubits, parameters.
Step = tuple[str, tuple[int, ...], Params]


@dataclass(frozen=True)
class CirqPower:
    """A gate as a power in Cirq: eigenvalues exp(i pi exponent (k + global_shift)), k = 0 or 1.

    Attributes:
        kind: The class in `cirq`, such as "XPowGate".
        exponent: The exponent; for a gate with a parameter, what the parameter is multiplied by.
        global_shift: As in Cirq.
        name: What `cirq` calls the gate itself, or a function of its parameter.
    """

    kind: str
    exponent: float = 1.0
    global_shift: float = 0.0
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One row of the gate table.

    Attributes:
        name: The canonical name.
        doc: What the gate does, one sentence.
        n_qubits: Number of targets; for gates such as CX the controls come first. None: any.
        n_params: Number of parameters.
        matrix: The unitary as a function of the parameters; None for Measure and Unitary.
        primitives: Local primitives in time order as a function of the parameters.
        inverse: `(name, parameters)` pairs in time order; None if there is no inverse.
        decomposition: The gate in terms of `BASIS`, or of rows that decompose further; None for
            the gates of `BASIS` and for those without a matrix.
        aliases: Other names; lookup ignores case.
        controlled: The gate that this one applies where its first qubits are 1, and their number.
        symmetric: Whether exchanging its two qubits changes nothing.
        additive: The parameters that add up when the gate follows itself on the same qubits,
            all other parameters being equal.
        native: Whether it is a gate of IonQ's hardware, which is merged with its own kind alone.
        is_unitary: False for the measurement marker.
        label: What pictures show; by default the name.
        colour: The kind of gate by which pictures colour it: "fixed", "x", "y", "z", "two" or
            "other".
        cirq: The power in Cirq that equals it, if there is one.
        qiskit: Classes in `qiskit.circuit.library` with the same qubits and parameters; the first
            one is written, all are read.
        pennylane: Operations of PennyLane with the same wires and parameters.
        qasm2: The name in the `qelib1.inc` of arXiv:1707.03429, which is read and written.
        qasm2_read: Names that later versions of `qelib1.inc` or Cirq's writer have; read only.
        qasm3: Names in `stdgates.inc` of OpenQASM 3.
        ionq: The name in IonQ's JSON: a gate of the set "native" if `native`, else of "qis".
    """

    name: str
    doc: str
    n_qubits: int | None = 1
    n_params: int = 0
    matrix: Callable[..., ComplexArray] | None
    primitives: Callable[..., tuple[SymbolicPrimitive, ...]]
    inverse: Callable[..., tuple[tuple[str, Params], ...]] | None
    decomposition: Callable[..., tuple[Step, ...]] | None = None
    aliases: tuple[str, ...] = ()
    controlled: tuple[str, int] | None = None
    symmetric: bool = False
    additive: tuple[int, ...] = ()
    native: bool = False
    is_unitary: bool = True
    label: str = ""
    colour: str = "other"
    cirq: CirqPower | None = None
    qiskit: tuple[str, ...] = ()
    pennylane: tuple[str, ...] = ()
    qasm2: str = ""
    qasm2_read: tuple[str, ...] = ()
    qasm3: tuple[str, ...] = ()
    ionq: str = ""

    def __repr__(self) -> str:
        return f"<Gate {self.name}: {self.doc}>"


def step(name: str, *qubits: int, by: tuple[Affine | float, ...] = ()) -> Step:
    """One step of a decomposition, on local qubits."""
    return name, qubits, tuple(Affine.of(p) for p in by)


def rot(paulis: str, angle: Affine | float, *targets: int, on: tuple[int, ...] = ()) -> Rot[Affine]:
    """exp(-i angle/2 P) on local qubits, where the qubits `on` are 1."""
    return Rot(paulis, targets, Affine.of(angle), on)


def phase(angle: Affine | float, *controls: int) -> Phase[Affine]:
    """exp(i angle) where the controls are 1."""
    return Phase(Affine.of(angle), controls)


def steps(*all_steps: Step) -> Callable[..., tuple[Step, ...]]:
    """The decomposition of a gate without parameters."""
    return lambda: all_steps


def constant(*primitives: SymbolicPrimitive) -> Callable[..., tuple[SymbolicPrimitive, ...]]:
    """The primitives of a gate without parameters."""
    return lambda: primitives


def same(name: str) -> Callable[..., tuple[tuple[str, Params], ...]]:
    """The inverse that is the gate `name` with the same parameters."""
    return lambda *params: ((name, params),)


def negated(name: str) -> Callable[..., tuple[tuple[str, Params], ...]]:
    """The inverse that is the gate `name` with all parameters negated."""
    return lambda *params: ((name, tuple(-p for p in params)),)
