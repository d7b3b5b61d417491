"""The native gates of IonQ's hardware, whose parameters are turns.

Source: IonQ's documentation of its native gates.
"""

from __future__ import annotations

from qstore_tf.circuits.gates import matrices as m
from qstore_tf.circuits.gates.row import PI, TURN, CirqPower, Gate, negated, rot, same, step
from qstore_tf.circuits.primitives import Flip

IONQ = (
    Gate(
        name="GPi",
        doc="IonQ's half turn about the equatorial axis at f turns.",
        n_params=1,
        matrix=m.gpi,
        primitives=lambda f: (rot("Z", f * (-2 * TURN), 0), Flip(0)),
        inverse=same("GPi"),
        decomposition=lambda f: (step("RZ", 0, by=(f * (-2 * TURN),)), step("X", 0)),
        aliases=("GPIGATE",),
        native=True,
        colour="x",
        ionq="gpi",
    ),
    Gate(
        name="GPi2",
        doc="IonQ's quarter turn about the equatorial axis at f turns.",
        n_params=1,
        matrix=m.gpi2,
        primitives=lambda f: (
            rot("Z", f * -TURN, 0),
            rot("X", PI / 2, 0),
            rot("Z", f * TURN, 0),
        ),
        inverse=lambda f: (("GPi2", (f + 0.5,)),),
        decomposition=lambda f: (
            step("RZ", 0, by=(f * -TURN,)),
            step("RX", 0, by=(PI / 2,)),
            step("RZ", 0, by=(f * TURN,)),
        ),
        aliases=("GPI2GATE",),
        native=True,
        colour="x",
        ionq="gpi2",
    ),
    Gate(
        name="MS",
        doc="IonQ's Molmer-Sorensen gate: phases f0 and f1, angle t, in turns.",
        n_qubits=2,
        n_params=3,
        matrix=m.ms,
        primitives=lambda f0, f1, t: (
            rot("Z", f0 * -TURN, 0),
            rot("Z", f1 * -TURN, 1),
            rot("XX", t * TURN, 0, 1),
            rot("Z", f0 * TURN, 0),
            rot("Z", f1 * TURN, 1),
        ),
        inverse=lambda f0, f1, t: (("MS", (f0, f1, -t)),),
        decomposition=lambda f0, f1, t: (
            step("RZ", 0, by=(f0 * -TURN,)),
            step("RZ", 1, by=(f1 * -TURN,)),
            step("RXX", 0, 1, by=(t * TURN,)),
            step("RZ", 0, by=(f0 * TURN,)),
            step("RZ", 1, by=(f1 * TURN,)),
        ),
        aliases=("MSGATE",),
        additive=(2,),
        native=True,
        colour="two",
        ionq="ms",
    ),
    Gate(
        name="ZZ",
        doc="IonQ's ZZ: exp(-i pi t ZZ), t in turns.",
        n_qubits=2,
        n_params=1,
        matrix=m.zz,
        primitives=lambda t: (rot("ZZ", t * TURN, 0, 1),),
        inverse=negated("ZZ"),
        decomposition=lambda t: (step("RZZ", 0, 1, by=(t * TURN,)),),
        aliases=("ZZGATE",),
        symmetric=True,
        additive=(0,),
        native=True,
        colour="two",
        cirq=CirqPower("ZZPowGate", 2.0, -0.5),
        ionq="zz",
    ),
)
