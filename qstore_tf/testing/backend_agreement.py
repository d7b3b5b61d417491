"""Every gate of the table on any backend, compared with `cirq.Simulator`.

Each case is one circuit around one gate, plain or under a control, with rotations before and
after it that show every phase. Cirq reads the circuit by the names of its gates, backends run
its compiled program, so the two have nothing in common but the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import cirq
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.stats import chi2

from qstore_tf.backends import Backend
from qstore_tf.circuits import (
    GATES,
    PauliSum,
    Program,
    UnifiedCircuit,
    compile_circuit,
    parse_observables,
)
from qstore_tf.execution import build_expectation
from qstore_tf.testing.random_circuits import random_unitary

KINDS = ("state", "expectation", "samples", "gradient")
BATCH = 2
SHOTS = 2000
_STEP = 1e-3


@dataclass(frozen=True)
class Case:
    """One gate in a circuit; see `cases`.

    Attributes:
        name: Such as "CRX", or "controlled CRX".
        gate: Its name in the table.
        n_targets: Qubits of the gate.
        controlled: Whether it is under one more control.
    """

    name: str
    gate: str
    n_targets: int
    controlled: bool

    @cached_property
    def circuit(self) -> UnifiedCircuit:
        """The circuit, on one qubit more than the gate has."""
        n = max(2, self.n_targets + 1)
        circuit = UnifiedCircuit(n)
        for qubit in range(n):
            circuit.add_gate("RY", qubit, f"x0 + {0.3 + 0.4 * qubit}")
            circuit.add_gate("RZ", qubit, f"{0.5 + qubit}*t0")
        circuit.add_gate("CX", [0, 1])
        row = GATES[self.gate]
        # Not in order, so that a qubit in the wrong place shows.
        targets = list(range(1, self.n_targets + 1))[::-1]
        controls: dict[str, Any] = {"controls": 0} if self.controlled else {}
        if self.gate == "Unitary":
            circuit.add_unitary(random_unitary(self.n_targets, self.n_targets), targets, **controls)
        else:
            angles = [f"0.7*t{k + 1} + 0.2*x1 + 0.1" for k in range(row.n_params)]
            circuit.add_gate(self.gate, targets, angles or None, **controls)
        for qubit in range(n):
            circuit.add_gate("RX", qubit, 0.4 + 0.3 * qubit)
        return circuit

    @cached_property
    def program(self) -> Program:
        """What the backend runs, with inputs x0 and x1."""
        return compile_circuit(self.circuit, inputs=["x0", "x1"])

    @cached_property
    def observables(self) -> tuple[PauliSum, ...]:
        """Three observables."""
        n = self.circuit.n_qubits
        every = " ".join(f"{'XYZ'[q % 3]}{q}" for q in range(n))
        return tuple(parse_observables(["Z0", every, "0.5 X0 Y1 - 0.25 Z1 + 0.1"], n))

    @cached_property
    def values(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The inputs [B, 2] and theta [P]."""
        rng = np.random.default_rng(7)
        return rng.uniform(-2, 2, (BATCH, 2)), rng.uniform(-1, 1, self.program.n_theta)

    @cached_property
    def states(self) -> NDArray[np.complex128]:
        """Cirq's final states [B, 2^n]."""
        return self._cirq_states(*self.values)

    @cached_property
    def expectations(self) -> NDArray[np.float64]:
        """Cirq's expectations [B, K]."""
        return self._measure(self.states)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Random weights [B, K] that make one loss of the expectations."""
        return np.random.default_rng(8).normal(size=(BATCH, len(self.observables)))

    @cached_property
    def direction(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A random direction in inputs and theta."""
        rng = np.random.default_rng(9)
        inputs, theta = self.values
        return rng.normal(size=inputs.shape), rng.normal(size=theta.shape)

    @cached_property
    def slope(self) -> float:
        """The derivative of the loss along the direction, by differences of fourth order."""
        (inputs, theta), (by_inputs, by_theta) = self.values, self.direction
        losses = []
        for step in (-2 * _STEP, -_STEP, _STEP, 2 * _STEP):
            states = self._cirq_states(inputs + step * by_inputs, theta + step * by_theta)
            losses.append(np.sum(self.weights * self._measure(states)))
        return float((losses[0] - 8 * losses[1] + 8 * losses[2] - losses[3]) / (12 * _STEP))

    def _cirq_states(
        self, inputs: NDArray[np.float64], theta: NDArray[np.float64]
    ) -> NDArray[np.complex128]:
        names = [name for name in self.circuit.parameters if name not in ("x0", "x1")]
        shared = dict(zip(names, theta.tolist(), strict=True))
        simulator = cirq.Simulator(dtype=np.complex128)
        qubits = cirq.LineQubit.range(self.circuit.n_qubits)
        out = []
        for x0, x1 in inputs.tolist():
            bound = {"x0": x0, "x1": x1, **shared}
            bound = {name: bound[name] for name in self.circuit.parameters}
            run = simulator.simulate(self.circuit.bind(bound).to_cirq(), qubit_order=qubits)
            out.append(run.final_state_vector)
        return np.array(out)

    def _measure(self, states: NDArray[np.complex128]) -> NDArray[np.float64]:
        qubits = cirq.LineQubit.range(self.circuit.n_qubits)
        places: dict[cirq.Qid, int] = {qubit: place for place, qubit in enumerate(qubits)}
        columns = []
        for observable in self.observables:
            total = cirq.PauliSum()
            for term in observable.terms:
                factors = [getattr(cirq, pauli)(qubits[q]) for q, pauli in term.paulis]
                total += cirq.PauliString(*factors, coefficient=term.coefficient)
            columns.append([total.expectation_from_state_vector(s, places).real for s in states])
        return np.array(columns).T


@lru_cache(maxsize=1)
def cases() -> tuple[Case, ...]:
    """Returns a case for each gate of the table that has a matrix, and for matrices themselves."""
    found = []
    for row in GATES.values():
        if row.matrix is not None:
            assert row.n_qubits is not None
            for controlled in (False, True):
                name = f"controlled {row.name}" if controlled else row.name
                found.append(Case(name, row.name, row.n_qubits, controlled))
    for size in range(1, 6):
        found.append(Case(f"Unitary({size})", "Unitary", size, False))
        if size < 6:
            found.append(Case(f"controlled Unitary({size})", "Unitary", size, True))
    return tuple(found)


def disagreement(backend: Backend, case: Case, kind: str, dtype: str = "float32") -> float:
    """Returns by how much a backend and Cirq differ on a case.

    Args:
        backend: The backend.
        case: One of `cases()`.
        kind: One of `KINDS`.
        dtype: "float32" or "float64".

    Returns:
        The largest difference of any amplitude or expectation; for "gradient" that of the slope
        along a random direction, relative to 1 + its size; for "samples" how improbable the counts
        of 2000 shots are, as -log10 of the chi-square test's p-value.

    Example:
        >>> from qstore_tf import backends
        >>> disagreement(backends.get("tensorflow"), cases()[0], "expectation") < 1e-5
        True
    """
    inputs, theta = (tf.constant(value, dtype) for value in case.values)
    if kind == "state":
        states = backend.state_vector(case.program, inputs, theta).numpy()
        return float(np.abs(states - case.states).max())
    if kind == "expectation":
        values = backend.expectation(case.program, case.observables, inputs, theta).numpy()
        return float(np.abs(values - case.expectations).max())
    if kind == "gradient":
        return _slope_error(backend, case, inputs, theta)
    draws = backend.sample(case.program, inputs, theta, shots=SHOTS, seed=[3, 5]).numpy()
    return max(_surprise(d, np.abs(s) ** 2) for d, s in zip(draws, case.states, strict=True))


def worst(
    backend: Backend, kind: str, dtype: str = "float32", only: Sequence[Case] | None = None
) -> tuple[float, str]:
    """Returns the largest disagreement on all cases, and where it is."""
    return max((disagreement(backend, case, kind, dtype), case.name) for case in only or cases())


def _slope_error(backend: Backend, case: Case, inputs: tf.Tensor, theta: tf.Tensor) -> float:
    function = build_expectation(case.program, case.observables, backend)
    with tf.GradientTape() as tape:
        tape.watch([inputs, theta])
        loss = tf.reduce_sum(tf.cast(case.weights, inputs.dtype) * function(inputs, theta))
    gradients = tape.gradient(loss, [inputs, theta])
    slope = sum(
        float(np.sum(g.numpy() * d)) for g, d in zip(gradients, case.direction, strict=True)
    )
    return abs(slope - case.slope) / (1 + abs(case.slope))


def _surprise(draws: NDArray[Any], chances: NDArray[np.float64]) -> float:
    """Returns -log10 of the probability of counts at least so far from what is expected."""
    counts = np.bincount(draws, minlength=len(chances)).astype(float)
    if len(counts) > len(chances) or counts[chances < 1e-12].any():
        return float("inf")
    # The test holds where some five are expected; the rare ones count together.
    order = np.argsort(chances)
    expected, seen = chances[order] * len(draws), counts[order]
    rare = int(np.searchsorted(np.cumsum(expected), 5.0)) + 1
    expected = np.append(expected[:rare].sum(), expected[rare:])
    seen = np.append(seen[:rare].sum(), seen[rare:])
    common = expected >= 5
    if common.sum() < 2:
        return 0.0
    statistic = np.sum((seen - expected)[common] ** 2 / expected[common])
    return float(-chi2.logsf(statistic, common.sum() - 1) / np.log(10))
