"""Runs rows of one program on a backend that is given from above, and averages outcomes.

A backend is what `qstore_tf.backends.arrays.get` returns: NumPy in, NumPy out. Nothing of
`backends` is imported here; `Backend` names what is used of it. `Reference` is the slow and obvious
simulator, for where no backend is given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qstore_tf import memory
from qstore_tf.checks import check_shots
from qstore_tf.circuits import reference
from qstore_tf.circuits.observables import PauliString, PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# Basis states -> the outcomes they stand for, of the same shape.
Values = Callable[[Integers], Floats]

_MOST_TERMS = 4096  # Pauli strings of a diagonal


class Backend(Protocol):
    """What is used of a backend, beside `probabilities` or `expectation` where it has them."""

    name: str
    capabilities: Any

    def sample(self, batch: Any, shots: int, seed: Sequence[int]) -> NDArray[Any]:
        """Returns basis states int64 [B, shots]."""


@dataclass(frozen=True, eq=False)
class Rows:
    """A program and the numbers of B rows, as backends read them.

    Attributes:
        program: What to run, from |0...0>, without shared parameters.
        inputs: [B, F], radians.
    """

    program: Program
    inputs: NDArray[Any]
    initial: None = None

    @property
    def theta(self) -> NDArray[Any]:
        """No shared parameters, [0]."""
        return np.zeros(0, self.inputs.dtype)

    @property
    def values(self) -> tuple[Any, Any, Any]:
        """Inputs, theta and initial state."""
        return self.inputs, self.theta, self.initial


@dataclass(frozen=True)
class _ReferenceCan:
    state_vector: bool = True
    exact: bool = True
    dtypes: tuple[str, ...] = ("float64",)


class Reference:
    """The reference simulator of `qstore_tf.circuits` as a backend, in float64.

    Example:
        >>> from qstore_tf.circuits import UnifiedCircuit, compile_circuit
        >>> program = compile_circuit(UnifiedCircuit(1).add_gate("RX", 0, "x"), ["x"])
        >>> Reference().probabilities(Rows(program, np.array([[np.pi]]))).round(3)
        array([[0., 1.]])
    """

    name = "reference"
    capabilities = _ReferenceCan()

    def probabilities(self, batch: Rows) -> Floats:
        """Returns the probabilities [B, 2^n] of the basis states."""
        states = reference.state_vector(batch.program, batch.inputs)
        return np.asarray(np.abs(states) ** 2)

    def sample(self, batch: Rows, shots: int, seed: Sequence[int]) -> Integers:
        """Returns basis states int64 [B, shots]; the same seed gives the same draws."""
        below = np.cumsum(self.probabilities(batch), axis=1)
        draws = np.random.default_rng(list(seed)).random((len(below), shots))
        found = [
            np.searchsorted(ends / ends[-1], row, side="right")
            for ends, row in zip(below, draws, strict=True)
        ]
        return np.array(found, np.int64).reshape(len(below), shots)


def usable(backend: Any, program: Program) -> Any:
    """Returns the backend in arrays, after it has looked at the program.

    Args:
        backend: A backend, also one of `qstore_tf.backends.get`; None for `Reference`.
        program: What it is to run.

    Raises:
        ConfigurationError: It is no backend, or cannot run the program.
    """
    if backend is None:
        return Reference()
    found = getattr(backend, "arrays", backend)
    if isinstance(found, str) or not hasattr(found, "sample"):
        raise ConfigurationError(
            describe(
                "This does not run circuits in NumPy",
                expected="a backend, such as qstore_tf.backends.arrays.get('qsim')",
                received=backend,
            )
        )
    if "theta" in inspect.signature(found.sample).parameters:
        return OfTensors(found)
    if hasattr(found, "check"):
        found.check(program)
    return found


class OfTensors:
    """A backend that computes in TensorFlow, such as "native", asked in NumPy.

    Args:
        backend: The backend.
    """

    def __init__(self, backend: Any) -> None:
        self.name: str = backend.name
        self.capabilities = backend.capabilities
        self._backend = backend

    def probabilities(self, batch: Rows) -> Floats:
        """Returns the probabilities [B, 2^n] of the basis states."""
        return np.asarray(self._backend.probabilities(batch.program, batch.inputs, batch.theta))

    def sample(self, batch: Rows, shots: int, seed: Sequence[int]) -> Integers:
        """Returns basis states int64 [B, shots]; the same seed gives the same draws."""
        call = self._backend.sample
        return np.asarray(
            call(batch.program, batch.inputs, batch.theta, shots=shots, seed=list(seed))
        )

    def expectation(self, batch: Rows, observables: Sequence[PauliSum]) -> Floats:
        """Returns the expectations [B, K]."""
        call = self._backend.expectation
        return np.asarray(call(batch.program, observables, batch.inputs, batch.theta))


def rows_for(backend: Any, program: Program, inputs: Floats) -> Rows:
    """Returns the rows in float64 where the backend runs in it, else in float32."""
    double = "float64" in backend.capabilities.dtypes
    return Rows(program, inputs.astype(np.float64 if double else np.float32))


def is_exact(backend: Any) -> bool:
    """Whether a backend gives probabilities or expectations without shots."""
    return bool(backend.capabilities.state_vector or backend.capabilities.exact)


def exact_means(backend: Any, program: Program, inputs: Floats, values: Values) -> Floats:
    """Returns the exact mean outcomes [B].

    Args:
        backend: From `usable`, an exact one.
        program: What to run.
        inputs: [B, F].
        values: The outcomes of basis states.

    Raises:
        ConfigurationError: The backend tells no probabilities, and the outcomes are too many Pauli
            strings to measure.
    """
    rows = rows_for(backend, program, inputs)
    if backend.capabilities.state_vector:
        chances = np.asarray(backend.probabilities(rows), np.float64)
        means: Floats = chances @ values(np.arange(chances.shape[1]))
        return means
    found = backend.expectation(rows, [_diagonal(program.n_qubits, values)])
    return np.asarray(found[:, 0], np.float64)


def drawn_sums(
    backend: Any, program: Program, inputs: Floats, values: Values, shots: int, seed: Sequence[int]
) -> tuple[Floats, Floats]:
    """Returns the sums [B] of the outcomes of `shots` shots, and of their squares.

    Args:
        backend: From `usable`.
        program: What to run.
        inputs: [B, F].
        values: The outcomes of basis states.
        shots: Of each row.
        seed: Two integers.

    Raises:
        MemoryLimitError: The shots of all rows do not fit into memory.
    """
    memory.check(24 * len(inputs) * check_shots(shots), "The shots of all candidates")
    drawn = backend.sample(rows_for(backend, program, inputs), shots, list(seed))
    outcomes = values(np.asarray(drawn, np.int64))
    return outcomes.sum(axis=1), (outcomes**2).sum(axis=1)


def _diagonal(n_qubits: int, values: Values) -> PauliSum:
    """The outcomes as an observable: their Walsh transform gives the strings of Z."""
    weights = np.zeros(0)
    if n_qubits <= 20:
        weights = values(np.arange(2**n_qubits)) / 2**n_qubits
        half = 1
        while half < len(weights):
            pairs = weights.reshape(-1, 2, half)
            low, high = pairs[:, 0], pairs[:, 1]
            weights = np.stack([low + high, low - high], axis=1).reshape(-1)
            half *= 2
    masks = np.flatnonzero(np.abs(weights) > 1e-14)
    if not 0 < len(masks) <= _MOST_TERMS:
        raise ConfigurationError(
            describe(
                "This fidelity is too large an observable for exact expectations",
                expected=f"at most {_MOST_TERMS} Pauli strings",
                hint="Pass shots=, or a backend with state vectors",
            )
        )
    strings = [
        PauliString(
            float(weights[mask]),
            tuple((q, "Z") for q in range(n_qubits) if mask >> (n_qubits - 1 - q) & 1),
        )
        for mask in masks.tolist()
    ]
    return PauliSum(tuple(strings))
