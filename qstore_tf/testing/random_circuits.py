"""Random circuits, programs and observables, and hypothesis strategies over them.

Everything is a function of a seed, so that a failing example can be made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.observables import PauliString, PauliSum
from qstore_tf.circuits.operation import freeze
from qstore_tf.circuits.primitives import Angle, CompiledPrimitive, Flip, Phase, Rot, Swap, Unitary
from qstore_tf.circuits.program import Program
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import CircuitError, describe

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Seed = int | np.random.Generator

UNITARY_GATES = tuple(name for name, row in GATES.items() if row.is_unitary)


def random_unitary(rng: Seed, n_qubits: int) -> NDArray[np.complex128]:
    """Returns a Haar-random unitary matrix, [2^n, 2^n]."""
    rng = np.random.default_rng(rng)
    shape = (2**n_qubits, 2**n_qubits)
    q, r = np.linalg.qr(rng.normal(size=shape) + 1j * rng.normal(size=shape))
    return np.asarray(q * (np.diag(r) / np.abs(np.diag(r))), dtype=np.complex128)


def random_state(rng: Seed, batch: int, n_qubits: int) -> NDArray[np.complex128]:
    """Returns random normalized state vectors, [batch, 2^n]."""
    rng = np.random.default_rng(rng)
    shape = (batch, 2**n_qubits)
    states = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return np.asarray(states / np.linalg.norm(states, axis=1, keepdims=True), dtype=np.complex128)


def random_circuit(
    rng: Seed,
    n_qubits: int,
    n_gates: int,
    gates: Sequence[str] | None = None,
    symbols: Sequence[str] = (),
    max_controls: int = 2,
) -> UnifiedCircuit:
    """Returns a circuit of random gates on random qubits.

    Args:
        rng: A seed or a NumPy generator.
        n_qubits: Number of qubits.
        n_gates: Number of gates.
        gates: Gate names to draw from; by default every gate that fits, arbitrary unitaries on
            up to 3 qubits included.
        symbols: Symbols for the parameters, which become random affine expressions of up to two
            of them; without symbols the parameters are random numbers.
        max_controls: One gate in five gets up to this many extra controls.

    Raises:
        CircuitError: None of the gates fits the number of qubits.
    """
    rng = np.random.default_rng(rng)
    rows = [GATES[name] for name in (UNITARY_GATES if gates is None else gates)]
    rows = [row for row in rows if (row.n_qubits or 0) <= n_qubits]
    if not rows:
        raise CircuitError(
            describe("No gate fits the circuit", expected=f"gates on <= {n_qubits} qubits")
        )
    circuit = UnifiedCircuit(n_qubits)
    for _ in range(n_gates):
        row = rows[rng.integers(len(rows))]
        qubits = [int(q) for q in rng.permutation(n_qubits)]
        n_targets = row.n_qubits
        if n_targets is None:
            n_targets = int(rng.integers(1, min(3, n_qubits) + 1))
        targets, rest = qubits[:n_targets], qubits[n_targets:]
        n_controls = 0
        if row.is_unitary and rng.random() < 0.2:
            n_controls = int(rng.integers(0, max_controls + 1))
        controls = rest[:n_controls]
        if row.name == "Unitary":
            circuit.add_unitary(random_unitary(rng, n_targets), targets, controls)
        else:
            params = [random_affine(rng, symbols) for _ in range(row.n_params)]
            circuit.add_gate(row.name, targets, params, controls)
    return circuit


def random_affine(rng: Seed, symbols: Sequence[str] = ()) -> Affine:
    """Returns a random number, or a random affine expression of up to two symbols."""
    rng = np.random.default_rng(rng)
    if not symbols:
        return Affine(float(rng.uniform(-4, 4)))
    n_terms = int(rng.integers(0, min(2, len(symbols)) + 1))
    if n_terms == 0:
        return Affine(float(rng.uniform(-4, 4)))
    constant = float(rng.uniform(-2, 2)) if rng.random() < 0.5 else 0.0
    picked = rng.permutation(len(symbols))[:n_terms]
    result = Affine(constant)
    for k in picked:
        result = result + Affine(0.0, ((symbols[int(k)], _coefficient(rng)),))
    return result


def _coefficient(rng: np.random.Generator) -> float:
    if rng.random() < 0.5:
        return 1.0
    return float(rng.uniform(0.3, 2) * rng.choice([-1, 1]))


def random_program(
    rng: Seed,
    n_qubits: int,
    n_gates: int,
    n_inputs: int = 0,
    n_theta: int = 0,
    has_initial: bool = False,
) -> Program:
    """Returns a program of random primitives of every kind, with shared and repeated slots.

    Args:
        rng: A seed or a NumPy generator.
        n_qubits: Number of qubits.
        n_gates: Number of primitives.
        n_inputs: Columns of `inputs`.
        n_theta: Entries of `theta`.
        has_initial: Whether the program starts from given states.
    """
    rng = np.random.default_rng(rng)
    gates = tuple(_random_primitive(rng, n_qubits, n_inputs, n_theta) for _ in range(n_gates))
    return Program(n_qubits, n_inputs, n_theta, has_initial, gates)


def _random_primitive(
    rng: np.random.Generator, n_qubits: int, n_inputs: int, n_theta: int
) -> CompiledPrimitive:
    qubits = [int(q) for q in rng.permutation(n_qubits)]
    n_controls = int(rng.choice([0, 1, 2], p=[0.65, 0.25, 0.1]))

    def split(n_targets: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return tuple(qubits[:n_targets]), tuple(qubits[n_targets:][:n_controls])

    kinds = ["rot", "phase", "flip", "swap", "unitary"]
    kind = str(rng.choice(kinds, p=[0.5, 0.15, 0.2, 0.05, 0.1]))
    if kind == "swap" and n_qubits < 2:
        kind = "flip"
    if kind == "rot":
        n_targets = min(n_qubits, int(rng.choice([1, 2, 3, 4], p=[0.65, 0.2, 0.1, 0.05])))
        targets, controls = split(n_targets)
        paulis = "".join(rng.choice(["X", "Y", "Z"], size=n_targets))
        return Rot(paulis, targets, _random_angle(rng, n_inputs, n_theta), controls)
    if kind == "phase":
        return Phase(
            _random_angle(rng, n_inputs, n_theta), tuple(qubits[: int(rng.integers(0, 4))])
        )
    if kind == "flip":
        targets, controls = split(1)
        return Flip(targets[0], controls)
    if kind == "swap":
        targets, controls = split(2)
        return Swap((targets[0], targets[1]), controls)
    n_targets = min(n_qubits, int(rng.choice([1, 2, 3, 4, 5], p=[0.4, 0.3, 0.15, 0.1, 0.05])))
    targets, controls = split(n_targets)
    return Unitary(freeze(random_unitary(rng, n_targets)), targets, controls)


def _random_angle(rng: np.random.Generator, n_inputs: int, n_theta: int) -> Angle:
    slots = [("i", k) for k in range(n_inputs)] + [("t", k) for k in range(n_theta)]
    n_terms = min(len(slots), int(rng.choice([0, 1, 2, 3], p=[0.1, 0.6, 0.2, 0.1])))
    constant = float(rng.uniform(-3, 3)) if n_terms == 0 or rng.random() < 0.4 else 0.0
    terms = []
    for k in rng.permutation(len(slots))[:n_terms]:
        terms.append((*slots[int(k)], _coefficient(rng)))
    return Angle(constant, tuple(terms))


def random_observables(rng: Seed, n_qubits: int, k: int) -> tuple[PauliSum, ...]:
    """Returns k random observables of one to three Pauli strings, identities included."""
    rng = np.random.default_rng(rng)
    result = []
    for _ in range(k):
        strings = []
        for _ in range(int(rng.integers(1, 4))):
            weight = int(rng.integers(0, min(3, n_qubits) + 1))
            qubits = rng.permutation(n_qubits)[:weight]
            paulis = tuple((int(q), str(rng.choice(["X", "Y", "Z"]))) for q in qubits)
            strings.append(PauliString(float(rng.uniform(-2, 2)), paulis))
        result.append(PauliSum(tuple(strings)))
    return tuple(result)


def circuits(
    max_qubits: int = 5,
    max_gates: int = 20,
    symbols: Sequence[str] = (),
    gates: Sequence[str] | None = None,
    **options: Any,
) -> SearchStrategy[UnifiedCircuit]:
    """Returns a hypothesis strategy over `random_circuit`; options go there.

    With `gates`, every qubit count must fit at least one of them, so name a one-qubit gate too
    or pass `min_qubits`.
    """
    from hypothesis import strategies as st

    min_qubits = options.pop("min_qubits", 1)

    def make(seed: int, n_qubits: int, n_gates: int) -> UnifiedCircuit:
        return random_circuit(seed, n_qubits, n_gates, gates, symbols, **options)

    return st.builds(make, _seeds(), st.integers(min_qubits, max_qubits), st.integers(0, max_gates))


def programs(
    max_qubits: int = 5,
    max_gates: int = 20,
    max_inputs: int = 3,
    max_theta: int = 4,
    has_initial: bool | None = False,
) -> SearchStrategy[Program]:
    """Returns a hypothesis strategy over `random_program`; `has_initial=None` draws both."""
    from hypothesis import strategies as st

    return st.builds(
        random_program,
        _seeds(),
        st.integers(1, max_qubits),
        st.integers(0, max_gates),
        st.integers(0, max_inputs),
        st.integers(0, max_theta),
        st.booleans() if has_initial is None else st.just(has_initial),
    )


def random_values(
    rng: Seed, program: Program, batch: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128] | None]:
    """Returns random inputs [B, F], theta [P] and, where the program wants it, initial states."""
    rng = np.random.default_rng(rng)
    inputs = rng.uniform(-3, 3, size=(batch, program.n_inputs))
    theta = rng.uniform(-3, 3, size=program.n_theta)
    initial = random_state(rng, batch, program.n_qubits) if program.has_initial else None
    return inputs, theta, initial


def _seeds() -> SearchStrategy[int]:
    from hypothesis import strategies as st

    return st.integers(0, 2**32 - 1)
