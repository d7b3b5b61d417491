"""Gates that exchange two qubits, wholly or in part."""

from __future__ import annotations

from qstore_tf.circuits.gates import matrices as m
from qstore_tf.circuits.gates.row import (
    PI,
    CirqPower,
    Gate,
    fixed,
    itself,
    negated,
    phase,
    rot,
    step,
    steps,
)
from qstore_tf.circuits.primitives import Swap
from qstore_tf.circuits.symbols import Affine

SWAPS = (
    Gate(
        name="SWAP",
        doc="Exchanges two qubits.",
        n_qubits=2,
        matrix=m.constant(m.SWAP),
        primitives=fixed(Swap((0, 1))),
        inverse=itself("SWAP"),
        decomposition=steps(step("CX", 0, 1), step("CX", 1, 0), step("CX", 0, 1)),
        symmetric=True,
        cirq=CirqPower("SwapPowGate"),
        qiskit=("SwapGate",),
        pennylane=("SWAP",),
        qasm2="swap",
        qasm3=("swap",),
        ionq="swap",
    ),
    Gate(
        name="ISWAP",
        doc="Exchanges two qubits and multiplies |01> and |10> by i.",
        n_qubits=2,
        matrix=m.constant(m.ISWAP),
        primitives=fixed(rot("XX", -PI / 2, 0, 1), rot("YY", -PI / 2, 0, 1)),
        inverse=lambda: (("FSim", (Affine(PI / 2), Affine())),),
        decomposition=steps(step("RXX", 0, 1, by=(-PI / 2,)), step("RYY", 0, 1, by=(-PI / 2,))),
        symmetric=True,
        colour="two",
        cirq=CirqPower("ISwapPowGate"),
        qiskit=("iSwapGate",),
        pennylane=("ISWAP",),
        qelib1=("iswap",),
    ),
    # Source: cirq.FSimGate.
    Gate(
        name="FSim",
        doc="Cirq's FSimGate: partial swap by theta, phase -phi on |11>.",
        n_qubits=2,
        n_params=2,
        matrix=m.fsim,
        primitives=lambda th, ph: (rot("XX", th, 0, 1), rot("YY", th, 0, 1), phase(-ph, 0, 1)),
        inverse=negated("FSim"),
        decomposition=lambda th, ph: (
            step("RXX", 0, 1, by=(th,)),
            step("RYY", 0, 1, by=(th,)),
            step("CPhase", 0, 1, by=(-ph,)),
        ),
        aliases=("FSIMGATE",),
        symmetric=True,
        additive=(0, 1),
        colour="two",
    ),
)
