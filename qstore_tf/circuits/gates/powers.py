"""Powers of Pauli gates with Cirq's phase: eigenvalues 1 and exp(i pi t)."""

from __future__ import annotations

from qstore_tf.circuits.gates import matrices as m
from qstore_tf.circuits.gates.row import PI, CirqPower, Gate, negated, phase, rot, step
from qstore_tf.circuits.primitives import SymbolicPrimitive
from qstore_tf.circuits.symbols import Affine


def _power(pauli: str, t: Affine) -> tuple[SymbolicPrimitive, ...]:
    return rot(pauli, t * PI, 0), phase(t * (PI / 2))


POWERS = (
    Gate(
        name="XPow",
        doc="X**t with Cirq's phase: eigenvalues 1 and exp(i pi t).",
        n_params=1,
        matrix=lambda t: m.pauli_power("X", t),
        primitives=lambda t: _power("X", t),
        inverse=negated("XPow"),
        decomposition=lambda t: (
            step("RX", 0, by=(t * PI,)),
            step("GlobalPhase", by=(t * (PI / 2),)),
        ),
        aliases=("XPOWGATE",),
        additive=(0,),
        colour="x",
        cirq=CirqPower("XPowGate"),
    ),
    Gate(
        name="YPow",
        doc="Y**t with Cirq's phase: eigenvalues 1 and exp(i pi t).",
        n_params=1,
        matrix=lambda t: m.pauli_power("Y", t),
        primitives=lambda t: _power("Y", t),
        inverse=negated("YPow"),
        decomposition=lambda t: (
            step("RY", 0, by=(t * PI,)),
            step("GlobalPhase", by=(t * (PI / 2),)),
        ),
        aliases=("YPOWGATE",),
        additive=(0,),
        colour="y",
        cirq=CirqPower("YPowGate"),
    ),
    Gate(
        name="ZPow",
        doc="Z**t with Cirq's phase: eigenvalues 1 and exp(i pi t).",
        n_params=1,
        matrix=lambda t: m.pauli_power("Z", t),
        primitives=lambda t: (phase(t * PI, 0),),
        inverse=negated("ZPow"),
        decomposition=lambda t: (
            step("RZ", 0, by=(t * PI,)),
            step("GlobalPhase", by=(t * (PI / 2),)),
        ),
        aliases=("ZPOWGATE",),
        additive=(0,),
        colour="z",
        cirq=CirqPower("ZPowGate"),
    ),
    Gate(
        name="CXPow",
        doc="XPow on the second qubit where the first is 1.",
        n_qubits=2,
        n_params=1,
        matrix=lambda t: m.controlled(m.pauli_power("X", t)),
        primitives=lambda t: (rot("X", t * PI, 1, on=(0,)), phase(t * (PI / 2), 0)),
        inverse=negated("CXPow"),
        decomposition=lambda t: (step("H", 1), step("CZPow", 0, 1, by=(t,)), step("H", 1)),
        aliases=("CNOTPOW", "CXPOWGATE", "CNOTPOWGATE"),
        controlled=("XPow", 1),
        additive=(0,),
        cirq=CirqPower("CXPowGate"),
    ),
    Gate(
        name="CZPow",
        doc="ZPow on the second qubit where the first is 1.",
        n_qubits=2,
        n_params=1,
        matrix=lambda t: m.controlled(m.pauli_power("Z", t)),
        primitives=lambda t: (phase(t * PI, 0, 1),),
        inverse=negated("CZPow"),
        decomposition=lambda t: (step("CPhase", 0, 1, by=(t * PI,)),),
        aliases=("CZPOWGATE",),
        controlled=("ZPow", 1),
        symmetric=True,
        additive=(0,),
        cirq=CirqPower("CZPowGate"),
    ),
)
