"""Powers of gates."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence

import numpy as np

from qstore_tf.circuits import reference
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.formats.conversion import Unconvertible, inverse_of, matrix_operation
from qstore_tf.circuits.formats.qasm3.work import Work
from qstore_tf.circuits.operation import MAX_UNITARY_QUBITS, Operation
from qstore_tf.circuits.symbols import Affine

_ALMOST_PI = math.pi - 1e-9
_STEPS = 400


def power(
    inner: Sequence[Operation], exponent: int | float, n_qubits: int, work: Work
) -> list[Operation]:
    """The operations of a gate to a power.

    An integer power repeats the gate, or its inverse. For any other power r, the eigenvalue
    exp(i phi), with -pi < phi <= pi, becomes exp(i r phi), as the language defines it.

    Args:
        inner: the gate's operations on qubits 0 to `n_qubits - 1`.
        exponent: the power.
        n_qubits: how many qubits the gate acts on.
        work: counts the steps before they are done.

    Raises:
        Unconvertible: it is too much work, or, for a power that is not whole, the gate
            depends on inputs or acts on too many qubits.
    """
    if isinstance(exponent, int):
        work.add_steps(2 * abs(exponent) * max(len(inner), 1))
        return (inverse_of(inner) if exponent < 0 else list(inner)) * abs(exponent)
    if any(operation.symbols for operation in inner):
        raise Unconvertible(
            "a fractional power of a gate that depends on inputs",
            "Write the gate with a part of the angle.",
        )
    if n_qubits > MAX_UNITARY_QUBITS:
        raise Unconvertible(
            f"a fractional power of a gate on {n_qubits} qubits",
            f"Use gates on up to {MAX_UNITARY_QUBITS} qubits.",
        )
    work.add_steps(_STEPS + 4**n_qubits)
    matrix = reference.unitary(Circuit.from_operations(max(n_qubits, 1), inner))
    if n_qubits == 0:
        angle = _principal(cmath.phase(complex(matrix[0, 0]))) * exponent
        return [Operation("GlobalPhase", (), (Affine(angle),))]
    if np.allclose(matrix, np.diag(np.diag(matrix)), rtol=0, atol=1e-12):
        phases, basis = np.angle(np.diag(matrix)), np.eye(len(matrix))
    else:
        # The Schur form of a unitary matrix is diagonal, and its basis is orthogonal where
        # eigenvalues coincide too.
        from scipy.linalg import schur

        triangular, basis = schur(matrix, output="complex")
        phases = np.angle(np.diag(triangular))
    raised = np.exp(1j * exponent * np.array([_principal(float(phase)) for phase in phases]))
    return [matrix_operation((basis * raised) @ basis.conj().T, range(n_qubits))]


def _principal(phase: float) -> float:
    # Rounding may turn -1 to either side.
    return phase + 2 * math.pi if phase <= -_ALMOST_PI else phase
