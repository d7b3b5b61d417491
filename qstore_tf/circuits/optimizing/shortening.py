"""Shorter circuits that are nearly the same, and a report of what that costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from qstore_tf.circuits import reference
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.circuits.optimizing.near_identities import Left, without_small
from qstore_tf.circuits.optimizing.passes import optimize
from qstore_tf.circuits.optimizing.pruning import pruned
from qstore_tf.errors import CircuitError, describe

# Up to here, fidelities are computed; beyond, the bound stands alone.
MAX_STATE_QUBITS, MAX_UNITARY_QUBITS = 20, 10

C = TypeVar("C", bound=Circuit)


@dataclass(frozen=True)
class Size:
    """How large a circuit is.

    Attributes:
        gates: Gates, without global phases and measurement markers.
        entangling: Those on several qubits.
        depth: Time steps.
    """

    gates: int
    entangling: int
    depth: int

    @classmethod
    def of(cls, circuit: Circuit) -> Size:
        """Returns the size of a circuit."""
        gates = [op for op in circuit.operations if op.qubits and not op.is_measurement]
        entangling = sum(len(op.qubits) > 1 for op in gates)
        return cls(len(gates), entangling, circuit.depth)


@dataclass(frozen=True)
class ShorteningReport:
    """What shortening a circuit has saved, and what it costs. `str` is a table.

    Attributes:
        before: Size of the circuit.
        after: Size of the shorter one.
        dropped: Gates that were left out because their angle is at most the threshold.
        pruned: Gates that were taken out to reach the depth.
        state_fidelity: |<psi|phi>|^2 of the states that both circuits make from |0...0>, computed
            from both state vectors. None where a symbol has no value, or beyond 20 qubits.
        process_fidelity: |Tr(U^dagger V)|^2 / 4^n of both unitaries, computed from both matrices.
            None likewise, or beyond 10 qubits.
        least_fidelity: What the state fidelity is at least, from any state and for any values of
            symbols: (1 - e^2 / 2)^2, where e is the sum of the distances of what was left out
            from the identity, and 0 where e is at least sqrt(2). 1: the unitary is the same.
    """

    before: Size
    after: Size
    dropped: tuple[Left, ...]
    pruned: tuple[Left, ...]
    state_fidelity: float | None
    process_fidelity: float | None
    least_fidelity: float

    @property
    def is_exact(self) -> bool:
        """Whether nothing was left out, so that the unitary is the same."""
        return not self.dropped and not self.pruned

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data, as JSON can hold it."""
        return {
            "before": vars(self.before),
            "after": vars(self.after),
            "dropped": [vars(each) for each in self.dropped],
            "pruned": [vars(each) for each in self.pruned],
            "state_fidelity": self.state_fidelity,
            "process_fidelity": self.process_fidelity,
            "least_fidelity": self.least_fidelity,
        }

    def __str__(self) -> str:
        rows = [("", "before", "after")]
        for name in ("gates", "entangling", "depth"):
            rows.append((name, str(getattr(self.before, name)), str(getattr(self.after, name))))
        table = [f"{name:<10} {old:>8} {new:>8}" for name, old, new in rows]
        said = [
            f"left out below the threshold: {len(self.dropped)}",
            f"taken out for the depth: {len(self.pruned)}",
            f"state fidelity: {_number(self.state_fidelity)}",
            f"process fidelity: {_number(self.process_fidelity)}",
            f"at least, from any state: {_number(self.least_fidelity)}",
        ]
        return "\n".join([*table, *said])


@dataclass(frozen=True)
class Shortened(Generic[C]):
    """A shorter circuit and its report.

    Attributes:
        circuit: The circuit.
        report: What it saves and costs.
    """

    circuit: C
    report: ShorteningReport


def shorten(
    circuit: C,
    max_depth: int | None = None,
    threshold: float | None = None,
    values: Mapping[str, float] | None = None,
) -> Shortened[C]:
    """Returns a shorter circuit, and a report of the fidelity that it costs.

    Without options the unitary stays the same, see `optimize`.

    Args:
        circuit: The circuit; it is not changed.
        max_depth: Time steps that are left at most, as `circuit.depth` counts them; for them
            entangling gates are taken out, see `pruning.pruned`. None: none is.
        threshold: Rotations and phases by at most that many radians from a full turn are left
            out, from 0 to pi. None: those that do nothing, within 1e-12. Angles with symbols stay.
        values: Values of symbols for which the report is made; the circuit keeps its symbols.

    Raises:
        CircuitError: An option makes no sense, or the depth cannot be reached.

    Example:
        >>> circuit = Circuit(2).add_gate("H", 0).add_gate("RX", 1, [0.01]).add_gate("CX", [0, 1])
        >>> made = shorten(circuit, threshold=0.1)
        >>> made.circuit.count_gates(), round(made.report.state_fidelity, 6)
        ({'H': 1, 'CX': 1}, 0.999975)
    """
    _check(max_depth, threshold)
    short = optimize(circuit)
    dropped: list[Left] = []
    while threshold is not None:
        kept, small = without_small(short.operations, threshold)
        if not small:
            break
        dropped += small
        short = optimize(circuit.from_operations(circuit.n_qubits, kept))
    taken: list[Left] = []
    if max_depth is not None and short.depth > max_depth:
        found, taken = pruned(short, max_depth, values)
        short = circuit.from_operations(circuit.n_qubits, found.operations)
    left = dropped + taken
    state, process = _fidelities(circuit, short, values)
    report = ShorteningReport(
        Size.of(circuit), Size.of(short), tuple(dropped), tuple(taken), state, process, _least(left)
    )
    return Shortened(short, report)


def _least(left: list[Left]) -> float:
    error = math.fsum(each.distance for each in left)
    overlap = 1 - error**2 / 2
    return overlap**2 if overlap > 1e-12 else 0.0


def _fidelities(
    before: Circuit, after: Circuit, values: Mapping[str, float] | None
) -> tuple[float | None, float | None]:
    known, n_qubits = values or {}, before.n_qubits
    if not set(before.parameters) <= set(known) or n_qubits > MAX_STATE_QUBITS:
        return None, None
    pair = [bound(circuit, known) for circuit in (before, after)]
    first, second = (reference.state_vector(compile_circuit(each))[0] for each in pair)
    state = min(1.0, float(abs(np.vdot(first, second)) ** 2))
    if n_qubits > MAX_UNITARY_QUBITS:
        return state, None
    u, v = (reference.unitary(each) for each in pair)
    return state, min(1.0, float(abs(np.vdot(u, v)) ** 2 / 4**n_qubits))


def bound(circuit: Circuit, values: Mapping[str, float]) -> Circuit:
    """Returns a circuit with values for its symbols; others are not looked at."""
    return circuit.bind({name: values[name] for name in circuit.parameters})


def _check(max_depth: Any, threshold: Any) -> None:
    is_integer = isinstance(max_depth, int) and not isinstance(max_depth, bool)
    if max_depth is not None and not (is_integer and max_depth >= 1):
        raise CircuitError(
            describe(
                "max_depth counts time steps", expected="an integer of at least 1",
                received=max_depth,
            )
        )  # fmt: skip
    is_number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if threshold is not None and not (is_number and 0 <= threshold <= math.pi):
        raise CircuitError(
            describe(
                "threshold is an angle in radians", expected="from 0 to pi", received=threshold
            )
        )


def _number(value: float | None) -> str:
    return "not computed" if value is None else f"{value:.9f}"
