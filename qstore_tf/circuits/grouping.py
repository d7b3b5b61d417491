"""Which Pauli strings can be read from the same shots, and how.

Two strings commute qubit by qubit where no qubit is measured in two bases. A set of such strings
is read from one run: each qubit is turned so that its basis becomes Z, and every string is then
the parity of some bits of what was drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.primitives import Angle, CompiledPrimitive, Rot, mask
from qstore_tf.circuits.program import Program

# A Pauli string without its coefficient: (qubit, letter), sorted by qubit.
Paulis = tuple[tuple[int, str], ...]

# Rotation and angle that turn a basis to Z: RY(-pi/2) takes |+> to |0>, RX(pi/2) takes |+i>.
BASIS_CHANGES = {"X": ("Y", -math.pi / 2), "Y": ("X", math.pi / 2)}

_ROWS_AT_ONCE = 1024
_PARITIES_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class Group:
    """Pauli strings that commute qubit by qubit.

    Attributes:
        basis: The letter each measured qubit is measured in, sorted by qubit.
        strings: The strings, in order of appearance.
    """

    basis: Paulis
    strings: tuple[Paulis, ...]


@dataclass(frozen=True)
class Readout:
    """How observables are read from the basis-state indices drawn for one group.

    Attributes:
        masks: [T] int64, one per string: it is +1 where an even number of these bits is set in
            the index, else -1.
        coefficients: [T, K], what each string adds to each observable.
    """

    masks: NDArray[np.int64] = field(repr=False)
    coefficients: NDArray[np.float64] = field(repr=False)

    def values(self, n_qubits: int) -> NDArray[np.float64]:
        """Returns the value of each observable's part at every basis state, [2^n, K]."""
        index = np.arange(2**n_qubits)[:, None]
        result = np.zeros((2**n_qubits, self.coefficients.shape[1]))
        at_once = max(1, _PARITIES_AT_ONCE >> n_qubits)
        for begin in range(0, len(self.masks), at_once):
            parity = index & self.masks[None, begin : begin + at_once]
            for shift in (32, 16, 8, 4, 2, 1):
                parity ^= parity >> shift
            result += (1.0 - 2.0 * (parity & 1)) @ self.coefficients[begin : begin + at_once]
        return result


@dataclass(frozen=True, eq=False)
class Measurement:
    """A program with basis changes at its end, and how observables are read from its samples.

    One program serves all groups. Where groups want a qubit in different bases the angle of the
    change is an input, so that the groups are rows of one batch.

    Attributes:
        program: The program; its further inputs follow those of the circuit.
        groups: What is measured together.
        angles: [G, C], the further inputs for each group.
        readouts: One per group.
        constants: [K], the identity terms, which need no run.
    """

    program: Program
    groups: tuple[Group, ...]
    angles: NDArray[np.float64] = field(repr=False)
    readouts: tuple[Readout, ...] = field(repr=False)
    constants: NDArray[np.float64] = field(repr=False)


def group_strings(strings: Iterable[Paulis]) -> tuple[Group, ...]:
    """Puts Pauli strings into few groups that commute qubit by qubit.

    Greedy colouring, the strings with most conflicts first (ties in order of appearance), each
    into the first group it fits: the same strings always give the same groups.

    Args:
        strings: Pauli strings; repeated ones count once and the identity needs no group.

    Example:
        >>> zz, x, y = ((0, "Z"), (1, "Z")), ((0, "X"),), ((1, "Z"), (2, "Y"))
        >>> [group.basis for group in group_strings([zz, x, y])]
        [((0, 'Z'), (1, 'Z'), (2, 'Y')), ((0, 'X'),)]
    """
    distinct = [paulis for paulis in dict.fromkeys(strings) if paulis]
    conflicts = _conflicts(distinct)
    bases: list[dict[int, str]] = []
    members: list[list[int]] = []
    for index in sorted(range(len(distinct)), key=lambda index: -conflicts[index]):
        paulis = distinct[index]
        for basis, inside in zip(bases, members, strict=True):
            if all(basis.get(qubit, letter) == letter for qubit, letter in paulis):
                basis.update(paulis)
                inside.append(index)
                break
        else:
            bases.append(dict(paulis))
            members.append([index])
    return tuple(
        Group(tuple(sorted(basis.items())), tuple(distinct[index] for index in sorted(inside)))
        for basis, inside in zip(bases, members, strict=True)
    )


def measurement(program: Program, observables: Sequence[PauliSum]) -> Measurement:
    """Plans how to estimate observables from samples.

    Args:
        program: What to run; its inputs and theta keep their slots.
        observables: K sums of Pauli strings.

    Example:
        >>> from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables
        >>> program = compile_circuit(UnifiedCircuit(2).add_gate("H", 0))
        >>> plan = measurement(program, parse_observables(["XX", "0.5 X0 + 2", "ZI"], 2))
        >>> len(plan.groups), plan.program.n_inputs, plan.constants.tolist()
        (2, 1, [0.0, 2.0, 0.0])
    """
    constants = np.zeros(len(observables))
    terms: dict[Paulis, NDArray[np.float64]] = {}
    for column, observable in enumerate(observables):
        for term in observable.terms:
            if not term.paulis:
                constants[column] += term.coefficient
            elif term.coefficient:
                row = terms.setdefault(term.paulis, np.zeros(len(observables)))
                row[column] += term.coefficient
    groups = group_strings(terms)
    readouts = tuple(
        Readout(
            np.array([_mask(paulis, program.n_qubits) for paulis in group.strings], np.int64),
            np.array([terms[paulis] for paulis in group.strings]),
        )
        for group in groups
    )
    changed, angles = _with_basis_changes(program, groups)
    return Measurement(changed, groups, angles, readouts, constants)


def _with_basis_changes(
    program: Program, groups: Sequence[Group]
) -> tuple[Program, NDArray[np.float64]]:
    bases = [dict(group.basis) for group in groups]
    gates: list[CompiledPrimitive] = []
    columns: list[list[float]] = []
    for qubit in range(program.n_qubits):
        letters = [basis.get(qubit) for basis in bases]
        wanted = {letter for letter in letters if letter is not None}
        for letter, (axis, turn) in BASIS_CHANGES.items():
            if letter not in wanted:
                continue
            # Groups that do not measure the qubit do not mind how it is turned.
            if len(wanted) == 1:
                gates.append(Rot(axis, (qubit,), Angle(turn)))
                continue
            slot = program.n_inputs + len(columns)
            gates.append(Rot(axis, (qubit,), Angle(0.0, (("i", slot, 1.0),))))
            columns.append([turn if found == letter else 0.0 for found in letters])
    changed = replace(
        program,
        n_inputs=program.n_inputs + len(columns),
        gates=program.gates + tuple(gates),
    )
    return changed, np.array(columns).reshape(len(columns), len(groups)).T


def _mask(paulis: Paulis, n_qubits: int) -> int:
    return mask((qubit for qubit, _ in paulis), n_qubits)


def _conflicts(strings: Sequence[Paulis]) -> list[int]:
    """For each string the number of others that want a qubit in another basis."""
    width = 1 + max((qubit for paulis in strings for qubit, _ in paulis), default=0)
    letters = np.zeros((3, len(strings), width), np.float32)
    for row, paulis in enumerate(strings):
        for qubit, letter in paulis:
            letters["XYZ".index(letter), row, qubit] = 1.0
    support = letters.sum(axis=0)
    counts: list[int] = []
    for begin in range(0, len(strings), _ROWS_AT_ONCE):
        rows = slice(begin, begin + _ROWS_AT_ONCE)
        differing = support[rows] @ support.T
        for one in letters:
            differing -= one[rows] @ one.T
        counts += (differing > 0.5).sum(axis=1).tolist()
    return counts
