"""The gate table: one row per gate, and everything else reads it.

A row says the same thing several ways (matrix, primitives, decomposition, inverse, spectrum), so
that the tests, which loop over the table, check the row against itself. Parameters are radians
except for the IonQ gates GPi, GPi2, MS and ZZ, which take turns as IonQ defines them.

Sources: OpenQASM 2 (arXiv:1707.03429) for U3, Cirq for the powers and FSim, IonQ's native gate
documentation for GPi, GPi2, MS and ZZ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qstore_tf.circuits import gate_matrices as m
from qstore_tf.circuits.program import AnyPrimitive, Flip, Phase, Rot, Swap
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, describe, did_you_mean

PI = math.pi
TURN = 2 * math.pi

Params = tuple[Affine, ...]
# One step of a decomposition: gate name, local qubits, parameters.
Step = tuple[str, tuple[int, ...], Params]


@dataclass(frozen=True)
class Gate:
    """One row of the gate table.

    Attributes:
        name: The canonical name.
        n_qubits: Number of targets; for CX and the like the controls come first. None: any.
        n_params: Number of parameters.
        doc: What the gate does, one sentence.
        matrix: The unitary as a function of the parameters; None for Measure and Unitary.
        primitives: Local primitives in time order as a function of the parameters.
        inverse: `(name, parameters)` pairs in time order; None if there is no inverse.
        spectrum: For each parameter the positive differences between eigenvalues of its
            generator, that is the angular frequencies an expectation value can have in it.
            They fix the parameter-shift rule.
        decomposition: The gate in terms of `BASIS`, or of rows that decompose further;
            None for the gates of `BASIS` and those without parameters to decompose.
        aliases: Other names; lookup ignores case.
        is_unitary: False for the measurement marker.
    """

    name: str
    n_qubits: int | None
    n_params: int
    doc: str
    matrix: Callable[..., m.ComplexArray] | None
    primitives: Callable[..., tuple[AnyPrimitive, ...]]
    inverse: Callable[..., tuple[tuple[str, Params], ...]] | None
    spectrum: tuple[tuple[float, ...], ...] = ()
    decomposition: Callable[..., tuple[Step, ...]] | None = None
    aliases: tuple[str, ...] = ()
    is_unitary: bool = True

    def __repr__(self) -> str:
        return f"<Gate {self.name}: {self.doc}>"


BASIS = ("RX", "RY", "RZ", "CX", "GlobalPhase")
"""Every row of the table with a matrix decomposes into these."""


def _step(name: str, *qubits: int, by: tuple[Affine | float, ...] = ()) -> Step:
    return name, qubits, tuple(Affine.of(p) for p in by)


def _rot(
    paulis: str, angle: Affine | float, *targets: int, on: tuple[int, ...] = ()
) -> Rot[Affine]:
    return Rot(paulis, targets, Affine.of(angle), on)


def _phase(angle: Affine | float, *controls: int) -> Phase[Affine]:
    return Phase(Affine.of(angle), controls)


def _steps(*steps: Step) -> Callable[..., tuple[Step, ...]]:
    return lambda: steps


def _fixed(*primitives: AnyPrimitive) -> Callable[..., tuple[AnyPrimitive, ...]]:
    return lambda: primitives


def _self(name: str) -> Callable[..., tuple[tuple[str, Params], ...]]:
    return lambda *params: ((name, params),)


def _negated(name: str) -> Callable[..., tuple[tuple[str, Params], ...]]:
    return lambda *params: ((name, tuple(-p for p in params)),)


_ROWS: list[Gate] = []


def _row(*args: Any, **kwargs: Any) -> None:
    _ROWS.append(Gate(*args, **kwargs))


def _add_fixed_one_qubit_gates() -> None:
    _row(
        "I",
        1,
        0,
        "Does nothing.",
        m.constant(m.I),
        _fixed(),
        _self("I"),
        (),
        _steps(),
        ("ID", "IDENTITY"),
    )
    _row(
        "X",
        1,
        0,
        "Pauli X, the bit flip.",
        m.constant(m.X),
        _fixed(Flip(0)),
        _self("X"),
        (),
        _steps(_step("RX", 0, by=(PI,)), _step("GlobalPhase", by=(PI / 2,))),
        ("NOT", "PAULIX"),
    )
    _row(
        "Y",
        1,
        0,
        "Pauli Y.",
        m.constant(m.Y),
        _fixed(_rot("Y", PI, 0), _phase(PI / 2)),
        _self("Y"),
        (),
        _steps(_step("RY", 0, by=(PI,)), _step("GlobalPhase", by=(PI / 2,))),
        ("PAULIY",),
    )
    _row(
        "H",
        1,
        0,
        "Hadamard gate.",
        m.constant(m.H),
        _fixed(_rot("Y", PI / 2, 0), Flip(0)),
        _self("H"),
        (),
        _steps(_step("RY", 0, by=(PI / 2,)), _step("X", 0)),
        ("HADAMARD",),
    )
    rows: tuple[tuple[str, float, str, m.ComplexArray, str, tuple[str, ...]], ...] = (
        ("Z", PI, "Z", m.Z, "Pauli Z, the phase flip.", ("PAULIZ",)),
        ("S", PI / 2, "Sdg", m.S, "Square root of Z.", ()),
        ("Sdg", -PI / 2, "S", m.S.conj(), "Inverse of S.", ("S_DAG", "SDAG", "S**-1")),
        ("T", PI / 4, "Tdg", m.T, "Fourth root of Z.", ()),
        ("Tdg", -PI / 4, "T", m.T.conj(), "Inverse of T.", ("T_DAG", "TDAG", "T**-1")),
    )
    for name, angle, inverse, matrix, doc, aliases in rows:
        _row(
            name,
            1,
            0,
            doc,
            m.constant(matrix),
            _fixed(_phase(angle, 0)),
            _self(inverse),
            (),
            _steps(_step("PhaseShift", 0, by=(angle,))),
            aliases,
        )
    rows = (
        ("SX", PI / 2, "SXdg", m.SX, "Square root of X.", ("V", "SQRT_X", "X**0.5")),
        (
            "SXdg",
            -PI / 2,
            "SX",
            m.SX.conj().T,
            "Inverse of SX.",
            ("VDG", "V_DAG", "SQRT_X_DAG", "X**-0.5"),
        ),
    )
    for name, angle, inverse, matrix, doc, aliases in rows:
        _row(
            name,
            1,
            0,
            doc,
            m.constant(matrix),
            _fixed(_rot("X", angle, 0), _phase(angle / 2)),
            _self(inverse),
            (),
            _steps(_step("RX", 0, by=(angle,)), _step("GlobalPhase", by=(angle / 2,))),
            aliases,
        )


def _add_rotations() -> None:
    for pauli, matrix in (("X", m.rx), ("Y", m.ry), ("Z", m.rz)):
        _row(
            f"R{pauli}",
            1,
            1,
            f"Rotation about {pauli}: exp(-i t {pauli} / 2).",
            matrix,
            lambda t, pauli=pauli: (_rot(pauli, t, 0),),
            _negated(f"R{pauli}"),
            ((1.0,),),
            None,
            (),
        )
    _row(
        "PhaseShift",
        1,
        1,
        "diag(1, exp(i t)).",
        m.phase_shift,
        lambda t: (_phase(t, 0),),
        _negated("PhaseShift"),
        ((1.0,),),
        lambda t: (_step("RZ", 0, by=(t,)), _step("GlobalPhase", by=(t * 0.5,))),
        ("P", "PHASE", "U1"),
    )
    _row(
        "U3",
        1,
        3,
        "General one-qubit gate of OpenQASM: theta, phi, lambda.",
        m.u3,
        lambda th, ph, la: (_phase(la, 0), _rot("Y", th, 0), _phase(ph, 0)),
        lambda th, ph, la: (("U3", (-th, -la, -ph)),),
        ((1.0,), (1.0,), (1.0,)),
        lambda th, ph, la: (
            _step("PhaseShift", 0, by=(la,)),
            _step("RY", 0, by=(th,)),
            _step("PhaseShift", 0, by=(ph,)),
        ),
        ("U",),
    )
    _row(
        "GlobalPhase",
        0,
        1,
        "Multiplies the state by exp(i t); a phase on its controls.",
        m.global_phase,
        lambda t: (_phase(t),),
        _negated("GlobalPhase"),
        ((),),
        None,
        ("GPHASE", "GLOBAL_PHASE"),
    )


def _add_controlled_gates() -> None:
    _row(
        "CX",
        2,
        0,
        "Flips the second qubit where the first is 1.",
        m.constant(m.controlled(m.X)),
        _fixed(Flip(1, (0,))),
        _self("CX"),
        (),
        None,
        ("CNOT",),
    )
    _row(
        "CY",
        2,
        0,
        "Y on the second qubit where the first is 1.",
        m.constant(m.controlled(m.Y)),
        _fixed(_rot("Y", PI, 1, on=(0,)), _phase(PI / 2, 0)),
        _self("CY"),
        (),
        _steps(_step("Sdg", 1), _step("CX", 0, 1), _step("S", 1)),
    )
    _row(
        "CZ",
        2,
        0,
        "Flips the sign of |11>.",
        m.constant(m.controlled(m.Z)),
        _fixed(_phase(PI, 0, 1)),
        _self("CZ"),
        (),
        _steps(_step("H", 1), _step("CX", 0, 1), _step("H", 1)),
    )
    _row(
        "CH",
        2,
        0,
        "Hadamard on the second qubit where the first is 1.",
        m.constant(m.controlled(m.H)),
        _fixed(_rot("Y", PI / 2, 1, on=(0,)), Flip(1, (0,))),
        _self("CH"),
        (),
        _steps(_step("CRY", 0, 1, by=(PI / 2,)), _step("CX", 0, 1)),
    )
    for pauli, matrix, before, after in (
        ("X", m.rx, _step("H", 1), _step("H", 1)),
        ("Y", m.ry, None, None),
        ("Z", m.rz, None, None),
    ):
        name, core = f"CR{pauli}", "RY" if pauli == "Y" else "RZ"

        def decomposition(
            t: Affine, core: str = core, before: Step | None = before, after: Step | None = after
        ) -> tuple[Step, ...]:
            steps = (
                before,
                _step(core, 1, by=(t * 0.5,)),
                _step("CX", 0, 1),
                _step(core, 1, by=(t * -0.5,)),
                _step("CX", 0, 1),
                after,
            )
            return tuple(step for step in steps if step is not None)

        _row(
            name,
            2,
            1,
            f"R{pauli} on the second qubit where the first is 1.",
            lambda t, matrix=matrix: m.controlled(matrix(t)),
            lambda t, pauli=pauli: (_rot(pauli, t, 1, on=(0,)),),
            _negated(name),
            ((0.5, 1.0),),
            decomposition,
        )
    _row(
        "CPhase",
        2,
        1,
        "Multiplies |11> by exp(i t).",
        lambda t: m.controlled(m.phase_shift(t)),
        lambda t: (_phase(t, 0, 1),),
        _negated("CPhase"),
        ((1.0,),),
        _decompose_cphase,
        ("CP", "CU1", "CPHASESHIFT"),
    )
    _row(
        "CCX",
        3,
        0,
        "Toffoli gate: flips the third qubit where the first two are 1.",
        m.constant(m.controlled(m.X, 2)),
        _fixed(Flip(2, (0, 1))),
        _self("CCX"),
        (),
        _steps(_step("H", 2), _step("CCZ", 0, 1, 2), _step("H", 2)),
        ("TOFFOLI", "CCNOT"),
    )
    _row(
        "CCZ",
        3,
        0,
        "Flips the sign of |111>.",
        m.constant(m.controlled(m.Z, 2)),
        _fixed(_phase(PI, 0, 1, 2)),
        _self("CCZ"),
        (),
        _steps(
            _step("CX", 1, 2),
            _step("Tdg", 2),
            _step("CX", 0, 2),
            _step("T", 2),
            _step("CX", 1, 2),
            _step("Tdg", 2),
            _step("CX", 0, 2),
            _step("T", 2),
            _step("T", 1),
            _step("CX", 0, 1),
            _step("T", 0),
            _step("Tdg", 1),
            _step("CX", 0, 1),
        ),
    )
    _row(
        "CSWAP",
        3,
        0,
        "Fredkin gate: swaps the last two qubits where the first is 1.",
        m.constant(m.controlled(m.SWAP)),
        _fixed(Swap((1, 2), (0,))),
        _self("CSWAP"),
        (),
        _steps(_step("CX", 2, 1), _step("CCX", 0, 1, 2), _step("CX", 2, 1)),
        ("FREDKIN",),
    )


def _decompose_cphase(t: Affine) -> tuple[Step, ...]:
    half = t * 0.5
    return (
        _step("PhaseShift", 0, by=(half,)),
        _step("PhaseShift", 1, by=(half,)),
        _step("CX", 0, 1),
        _step("PhaseShift", 1, by=(-half,)),
        _step("CX", 0, 1),
    )


def _add_two_qubit_gates() -> None:
    _row(
        "SWAP",
        2,
        0,
        "Exchanges two qubits.",
        m.constant(m.SWAP),
        _fixed(Swap((0, 1))),
        _self("SWAP"),
        (),
        _steps(_step("CX", 0, 1), _step("CX", 1, 0), _step("CX", 0, 1)),
    )
    _row(
        "ISWAP",
        2,
        0,
        "Exchanges two qubits and multiplies |01> and |10> by i.",
        m.constant(m.ISWAP),
        _fixed(_rot("XX", -PI / 2, 0, 1), _rot("YY", -PI / 2, 0, 1)),
        lambda: (("FSim", (Affine(PI / 2), Affine())),),
        (),
        _steps(_step("RXX", 0, 1, by=(-PI / 2,)), _step("RYY", 0, 1, by=(-PI / 2,))),
    )
    for name, matrix, before, after in (
        ("RXX", m.rxx, ("H",), ("H",)),
        ("RYY", m.ryy, ("Sdg", "H"), ("H", "S")),
        ("RZZ", m.rzz, (), ()),
    ):
        paulis = name[1:]
        ends = tuple(tuple(_step(g, q) for q in (0, 1) for g in gs) for gs in (before, after))
        _row(
            name,
            2,
            1,
            f"exp(-i t {paulis} / 2).",
            matrix,
            lambda t, paulis=paulis: (_rot(paulis, t, 0, 1),),
            _negated(name),
            ((1.0,),),
            lambda t, ends=ends: (
                *ends[0],
                _step("CX", 0, 1),
                _step("RZ", 1, by=(t,)),
                _step("CX", 0, 1),
                *ends[1],
            ),
            (f"ISING{paulis}",),
        )
    _row(
        "FSim",
        2,
        2,
        "Cirq's FSimGate: partial swap by theta, phase -phi on |11>.",
        m.fsim,
        lambda th, ph: (_rot("XX", th, 0, 1), _rot("YY", th, 0, 1), _phase(-ph, 0, 1)),
        _negated("FSim"),
        ((1.0, 2.0), (1.0,)),
        lambda th, ph: (
            _step("RXX", 0, 1, by=(th,)),
            _step("RYY", 0, 1, by=(th,)),
            _step("CPhase", 0, 1, by=(-ph,)),
        ),
        ("FSIMGATE",),
    )


def _add_powers() -> None:
    for pauli in "XYZ":
        name = f"{pauli}Pow"
        primitives: Callable[..., tuple[AnyPrimitive, ...]]
        if pauli == "Z":

            def primitives(t: Affine) -> tuple[AnyPrimitive, ...]:
                return (_phase(t * PI, 0),)
        else:

            def primitives(t: Affine, pauli: str = pauli) -> tuple[AnyPrimitive, ...]:
                return _rot(pauli, t * PI, 0), _phase(t * (PI / 2))

        _row(
            name,
            1,
            1,
            f"{pauli}**t with Cirq's phase: eigenvalues 1 and exp(i pi t).",
            lambda t, pauli=pauli: m.pauli_power(pauli, t),
            primitives,
            _negated(name),
            ((PI,),),
            lambda t, pauli=pauli: (
                _step(f"R{pauli}", 0, by=(t * PI,)),
                _step("GlobalPhase", by=(t * (PI / 2),)),
            ),
            (f"{name}GATE",),
        )
    _row(
        "CXPow",
        2,
        1,
        "XPow on the second qubit where the first is 1.",
        lambda t: m.controlled(m.pauli_power("X", t)),
        lambda t: (_rot("X", t * PI, 1, on=(0,)), _phase(t * (PI / 2), 0)),
        _negated("CXPow"),
        ((PI,),),
        lambda t: (_step("H", 1), _step("CZPow", 0, 1, by=(t,)), _step("H", 1)),
        ("CNOTPOW", "CXPOWGATE", "CNOTPOWGATE"),
    )
    _row(
        "CZPow",
        2,
        1,
        "ZPow on the second qubit where the first is 1.",
        lambda t: m.controlled(m.pauli_power("Z", t)),
        lambda t: (_phase(t * PI, 0, 1),),
        _negated("CZPow"),
        ((PI,),),
        lambda t: (_step("CPhase", 0, 1, by=(t * PI,)),),
        ("CZPOWGATE",),
    )


def _add_ionq_gates() -> None:
    _row(
        "GPi",
        1,
        1,
        "IonQ's half turn about the equatorial axis at f turns.",
        m.gpi,
        lambda f: (_rot("Z", f * (-2 * TURN), 0), Flip(0)),
        _self("GPi"),
        ((2 * TURN,),),
        lambda f: (_step("RZ", 0, by=(f * (-2 * TURN),)), _step("X", 0)),
        ("GPIGATE",),
    )
    _row(
        "GPi2",
        1,
        1,
        "IonQ's quarter turn about the equatorial axis at f turns.",
        m.gpi2,
        lambda f: (_rot("Z", f * -TURN, 0), _rot("X", PI / 2, 0), _rot("Z", f * TURN, 0)),
        lambda f: (("GPi2", (f + 0.5,)),),
        ((TURN, 2 * TURN),),
        lambda f: (
            _step("RZ", 0, by=(f * -TURN,)),
            _step("RX", 0, by=(PI / 2,)),
            _step("RZ", 0, by=(f * TURN,)),
        ),
        ("GPI2GATE",),
    )
    _row(
        "MS",
        2,
        3,
        "IonQ's Molmer-Sorensen gate: phases f0 and f1, angle t, in turns.",
        m.ms,
        lambda f0, f1, t: (
            _rot("Z", f0 * -TURN, 0),
            _rot("Z", f1 * -TURN, 1),
            _rot("XX", t * TURN, 0, 1),
            _rot("Z", f0 * TURN, 0),
            _rot("Z", f1 * TURN, 1),
        ),
        lambda f0, f1, t: (("MS", (f0, f1, -t)),),
        ((TURN, 2 * TURN), (TURN, 2 * TURN), (TURN,)),
        lambda f0, f1, t: (
            _step("RZ", 0, by=(f0 * -TURN,)),
            _step("RZ", 1, by=(f1 * -TURN,)),
            _step("RXX", 0, 1, by=(t * TURN,)),
            _step("RZ", 0, by=(f0 * TURN,)),
            _step("RZ", 1, by=(f1 * TURN,)),
        ),
        ("MSGATE",),
    )
    _row(
        "ZZ",
        2,
        1,
        "IonQ's ZZ: exp(-i pi t ZZ), t in turns.",
        m.zz,
        lambda t: (_rot("ZZ", t * TURN, 0, 1),),
        _negated("ZZ"),
        ((TURN,),),
        lambda t: (_step("RZZ", 0, 1, by=(t * TURN,)),),
        ("ZZGATE",),
    )


def _add_special() -> None:
    _row("Unitary", None, 0, "A constant unitary matrix on 1 to 5 qubits.", None, _fixed(), None)
    _row(
        "Measure",
        1,
        0,
        "Marks a qubit as measured at the end; dropped when compiled.",
        None,
        _fixed(),
        None,
        (),
        None,
        ("M", "MEASUREMENT"),
        is_unitary=False,
    )


_add_fixed_one_qubit_gates()
_add_rotations()
_add_controlled_gates()
_add_two_qubit_gates()
_add_powers()
_add_ionq_gates()
_add_special()

GATES: Mapping[str, Gate] = {row.name: row for row in _ROWS}
"""The table: canonical name -> row."""

_BY_FOLDED_NAME = {name.casefold(): row for row in _ROWS for name in (row.name, *row.aliases)}


def lookup(name: str) -> Gate:
    """Returns the row of a gate by name or alias, ignoring case.

    Raises:
        CircuitError: No gate has this name; the message lists near matches.

    Example:
        >>> lookup("cnot").name
        'CX'
    """
    row = GATES.get(name) if isinstance(name, str) else None
    if row is None and isinstance(name, str):
        row = _BY_FOLDED_NAME.get(name.casefold())
    if row is None and not isinstance(name, str):
        raise CircuitError(
            describe(
                "Unknown gate",
                expected="a name, such as 'RX'",
                received=name,
                hint="For a matrix use add_unitary(matrix, targets)",
            )
        )
    if row is None:
        aliases = [alias for gate in GATES.values() for alias in gate.aliases]
        raise CircuitError(
            describe("Unknown gate", received=name, hint=did_you_mean(name, GATES, aliases))
        )
    return row


def decompose(name: str, params: Params = ()) -> tuple[Step, ...]:
    """Returns a gate as steps over `BASIS`, exactly, global phase included.

    Args:
        name: Any gate of the table with a matrix.
        params: Its parameters.

    Raises:
        CircuitError: The gate is Measure or Unitary, which have no fixed decomposition.
    """
    row = lookup(name)
    if row.name in BASIS:
        return ((row.name, tuple(range(row.n_qubits or 0)), params),)
    if row.decomposition is None:
        raise CircuitError(describe(f"Gate {row.name!r} has no decomposition in the gate table"))
    steps: list[Step] = []
    for inner, qubits, inner_params in row.decomposition(*params):
        for leaf, local, leaf_params in decompose(inner, inner_params):
            steps.append((leaf, tuple(qubits[q] for q in local), leaf_params))
    return tuple(steps)
