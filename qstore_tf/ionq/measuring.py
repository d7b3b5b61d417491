"""Expectations from a machine's outcomes: one circuit for each group of observables.

Observables are put into groups that are measured together. Each group is the program with its
changes of basis at the end. In native gates it is compiled for |0...0> and measurement (mode
"measured"), so that changes of basis that a frame absorbs cost nothing. What compiling says about
outcomes (a wire's outcome flipped, a qubit's outcome the sum of several wires') is applied to the
Pauli strings, once for the structure, not to each outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qstore_tf.caching import GATE_BYTES, remember
from qstore_tf.circuits.grouping import measurement
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.ionq.compiler.outcomes import OutcomeMap
from qstore_tf.ionq.runnable import CompileOptions, Runnable, runnable
from qstore_tf.ionq.service.outcomes import Outcomes

_PARITIES_AT_ONCE = 1 << 20


@dataclass(frozen=True, eq=False)
class Group:
    """Pauli strings that are read from the same shots, in terms of wires.

    Attributes:
        runnable: The program with the group's changes of basis.
        masks: [T], the wires whose outcomes' sum gives a string's sign; wire 0 is the most
            significant bit.
        signs: [T], -1 where the sum is to be flipped.
        coefficients: [T, K], what each string adds to each observable.
    """

    runnable: Runnable
    masks: NDArray[np.int64] = field(repr=False)
    signs: NDArray[np.float64] = field(repr=False)
    coefficients: NDArray[np.float64] = field(repr=False)

    def expectations(self, outcomes: Outcomes, flips: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Returns what the group adds to each observable, [B, K].

        Args:
            outcomes: Of the B circuits.
            flips: [B, wires], as `Runnable.bind` returned them.
        """
        by_string = np.empty((len(flips), len(self.masks)))
        turned = _indices(flips)[:, None]
        at_once = max(1, _PARITIES_AT_ONCE // max(1, len(outcomes.states)))
        for begin in range(0, len(self.masks), at_once):
            part = slice(begin, begin + at_once)
            signed = _parity_signs(outcomes.states[:, None] & self.masks[None, part])
            signed *= outcomes.probabilities[:, None]
            sums = np.add.reduceat(signed, outcomes.starts[:-1], axis=0)
            by_string[:, part] = sums * _parity_signs(turned & self.masks[None, part])
        found: NDArray[np.float64] = (by_string * self.signs) @ self.coefficients
        return found


@dataclass(frozen=True, eq=False)
class Plan:
    """How the expectations of observables are estimated on a machine.

    Attributes:
        groups: What is run.
        constants: [K], the identity terms, which need no run.
    """

    groups: tuple[Group, ...]
    constants: NDArray[np.float64]


@remember(lambda made, program, *_: 4 * GATE_BYTES * (1 + len(program.gates)))
def plan(program: Program, observables: tuple[PauliSum, ...], options: CompileOptions) -> Plan:
    """Returns the compiled circuits for some observables; made once for each structure.

    Args:
        program: What to run, from |0...0>.
        observables: K sums of Pauli strings.
        options: How to compile.

    Raises:
        CircuitError: A gate cannot be compiled, or the target has too few qubits.
    """
    grouped = measurement(program, observables)
    groups = []
    for group, readout in zip(grouped.groups, grouped.readouts, strict=True):
        made = runnable(program, group.basis, options)
        matrix = made.outcomes.matrix.astype(np.int64)
        qubits = _bits(readout.masks, program.n_qubits)
        wires = qubits @ matrix % 2
        offsets = qubits @ made.outcomes.offset.astype(np.int64) % 2
        signs = np.where(offsets, -1.0, 1.0)
        groups.append(Group(made, _indices(wires), signs, readout.coefficients))
    return Plan(tuple(groups), grouped.constants)


def qubit_states(
    states: NDArray[np.int64], flips: NDArray[np.bool_], outcomes: OutcomeMap
) -> NDArray[np.int64]:
    """Returns basis-state indices of qubits for those of wires.

    Args:
        states: [B, shots], wire 0 the most significant bit.
        flips: [B, wires].
        outcomes: How outcomes of wires become those of qubits.
    """
    turned = states ^ _indices(flips)[:, None]
    n_qubits = len(outcomes.matrix)
    found = np.zeros_like(turned)
    for qubit, mask in enumerate(_indices(outcomes.matrix)):
        bits = _parities(turned & mask) ^ int(outcomes.offset[qubit])
        found |= bits << (n_qubits - 1 - qubit)
    return found


def _indices(bits: NDArray[np.generic]) -> NDArray[np.int64]:
    """Returns [rows] for bits [rows, n], the first of which is the most significant."""
    weights = np.int64(1) << np.arange(bits.shape[1] - 1, -1, -1, dtype=np.int64)
    found: NDArray[np.int64] = bits.astype(np.int64) @ weights
    return found


def _bits(indices: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    found: NDArray[np.int64] = indices[:, None] >> np.arange(n - 1, -1, -1) & 1
    return found


def _parities(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the sums of the bits, modulo 2."""
    for shift in (32, 16, 8, 4, 2, 1):
        indices = indices ^ (indices >> shift)
    return indices & 1


def _parity_signs(indices: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(_parities(indices), -1.0, 1.0)
