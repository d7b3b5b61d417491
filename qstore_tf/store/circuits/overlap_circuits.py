"""The circuits that measure a fidelity, and how their outcomes are read.

An item is a state of a context qubits and n data qubits, context qubits first. A query is a state
of the data qubits, or of all of them where it asks for several contexts at once (`coherent`).

| method | qubits | outcome of a shot | spread of F from S shots |
|---|---|---|---|
| inversion | a + n | 1 where the query's qubits are all 0 after U_q^-1 U_v | sqrt(F (1 - F) / S) |
| swap | 1 + a + n + n | -1 or 1 by the ancilla of controlled swaps | sqrt((1 - F^2) / S) |
| destructive_swap | a + n + n | (-1)^(number of pairs found in 11), Bell basis | the same |

The mean of the outcomes is `<q| rho |q>`, where rho is the item with its contexts left aside: the
mixture `sum_c p_c F(q, v_c)`. With `context=c` the outcomes of shots that find another context
count as 0, which gives `p_c F(q, v_c)`. Swap tests: arXiv:quant-ph/0102001; without an ancilla:
arXiv:1303.6814.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.caching import GATE_BYTES, remember
from qstore_tf.circuits.arguments import check_n_qubits
from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.circuits.encodings import amplitude_angles, amplitude_encoding
from qstore_tf.circuits.program import Program
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, InputError, describe, did_you_mean

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class OverlapTest:
    """One circuit that measures the fidelity of a query and an item; both are inputs of it.

    Args:
        method: "inversion", "swap" or "destructive_swap".
        n_data: n, at least 1.
        n_context: a; 0 where items have one context only.
        context: The number of the context asked for; None for all of them.
        coherent: Whether the query is a state of the context qubits as well.
        is_complex: Whether amplitudes are complex, which takes twice as many angles.

    Raises:
        ConfigurationError: An unknown method, too many qubits, or a context that is not there.

    Example:
        >>> test = OverlapTest("inversion", n_data=1)
        >>> test.circuit.count_gates(), test.n_qubits, test.program.n_inputs
        ({'RY': 1}, 1, 2)
        >>> test.values(np.array([0, 1]))
        array([1., 0.])
    """

    method: str
    n_data: int
    n_context: int = 0
    context: int | None = None
    coherent: bool = False
    is_complex: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigurationError(
                describe(
                    "A fidelity cannot be measured so",
                    received=self.method,
                    hint=did_you_mean(str(self.method), METHODS),
                )
            )
        check_n_qubits(self.n_data)
        check_n_qubits(self.n_qubits)
        contexts = 2**self.n_context
        if self.context is not None and (self.coherent or not 0 <= self.context < contexts):
            raise ConfigurationError(
                describe(
                    "A test asks for a context that is not there",
                    expected=f"a number from 0 to {contexts - 1}, or coherent=True, not both",
                    received=(self.context, self.coherent),
                )
            )

    @property
    def n_item(self) -> int:
        """Qubits of an item, a + n."""
        return self.n_context + self.n_data

    @property
    def n_query(self) -> int:
        """Qubits of a query: n, or a + n where it is coherent."""
        return self.n_item if self.coherent else self.n_data

    @property
    def n_qubits(self) -> int:
        """Qubits of the circuit."""
        method = METHODS[self.method]
        return method.ancillas + self.n_item + (method.registers - 1) * self.n_query

    @property
    def low(self) -> float:
        """The lowest outcome of a shot; the highest is 1."""
        return METHODS[self.method].low

    @property
    def dimension(self) -> int:
        """D of the space in which a decayed item is measured, see `definitions.decoherence`."""
        return int(2 ** (self.n_item if self.coherent or self.context is not None else self.n_data))

    @property
    def circuit(self) -> UnifiedCircuit:
        """The circuit; the symbols `v_i` prepare the item, `q_i` the query."""
        return _built(self)[0]

    @property
    def program(self) -> Program:
        """The circuit compiled, its inputs the angles of the item and then those of the query."""
        return _built(self)[1]

    def inputs(self, queries: ArrayLike, items: ArrayLike) -> Floats:
        """Returns the angles [B, F] that prepare items and queries.

        Args:
            queries: Unit amplitudes [B, 2^n] or [2^n] for all items; [B, 2^(a + n)] and so on for
                a coherent test. Narrower rows are filled up with zeros.
            items: Unit amplitudes [B, 2^(a + n)].

        Raises:
            InputError: A shape does not fit, a row is not of unit length to 1e-6, or amplitudes are
                complex and the test is not.
        """
        wide = self._checked(items, self.n_item, "an item")
        asked = self._checked(queries, self.n_query, "a query")
        if len(asked) not in (1, len(wide)):
            raise InputError(
                describe(
                    "Queries and items do not fit each other",
                    expected=f"one query, or {len(wide)}, one for each item",
                    received=len(asked),
                )
            )
        angles = amplitude_angles(asked)
        angles = np.broadcast_to(angles, (len(wide), angles.shape[1]))
        return np.concatenate([amplitude_angles(wide), angles], axis=1)

    def values(self, states: Integers) -> Floats:
        """Returns the outcomes that basis states stand for, of the same shape, in [low, 1]."""
        found = METHODS[self.method].values(states, self.n_item, self.n_query)
        if self.context is None:
            return found
        seen = states >> METHODS[self.method].registers * self.n_data & (2**self.n_context - 1)
        return np.where(seen == self.context, found, 0.0)

    def _checked(self, amplitudes: ArrayLike, n_qubits: int, what: str) -> NDArray[Any]:
        rows = np.atleast_2d(np.asarray(amplitudes))
        if rows.ndim != 2 or rows.shape[1] > 2**n_qubits or rows.dtype.kind not in "fciu":
            raise InputError(
                describe(
                    f"The amplitudes of {what} do not fit the test",
                    expected=f"[B, {2**n_qubits}]",
                    received=list(rows.shape),
                )
            )
        if np.iscomplexobj(rows) and not self.is_complex:
            raise InputError(
                describe(
                    f"The amplitudes of {what} are complex",
                    hint="Use OverlapTest(is_complex=True)",
                )
            )
        lengths = np.linalg.norm(rows, axis=1)
        if not np.all(np.abs(lengths - 1) <= 1e-6):
            raise InputError(
                describe(
                    f"The amplitudes of {what} are no quantum state",
                    expected="rows of unit length",
                    received=lengths.tolist(),
                    hint="Metric.encode of qstore_tf.store.definitions.encoding makes them so",
                )
            )
        rows = rows.astype(np.complex128 if self.is_complex else np.float64)
        return np.pad(rows, ((0, 0), (0, 2**n_qubits - rows.shape[1])))


@dataclass(frozen=True)
class _Method:
    """What a method is.

    Attributes:
        ancillas: Qubits before those of the item.
        registers: 1 where the query is undone on the item's qubits, 2 where it has its own.
        low: The lowest outcome.
        build: Makes the circuit of the encodings of item and query.
        values: The outcomes of basis states, of the numbers of qubits of item and query.
    """

    ancillas: int
    registers: int
    low: float
    build: Callable[[UnifiedCircuit, UnifiedCircuit], UnifiedCircuit]
    values: Callable[[Integers, int, int], Floats]


def _inversion(item: UnifiedCircuit, query: UnifiedCircuit) -> UnifiedCircuit:
    last = range(item.n_qubits - query.n_qubits, item.n_qubits)
    return item.compose(query.inverse(), list(last)).optimize()


def _all_zero(states: Integers, n_item: int, n_query: int) -> Floats:
    return np.where(states & (2**n_query - 1), 0.0, 1.0)


def _both(item: UnifiedCircuit, query: UnifiedCircuit, first: int) -> UnifiedCircuit:
    """Item and query beside each other, after `first` free qubits."""
    middle = first + item.n_qubits
    circuit = UnifiedCircuit(middle + query.n_qubits)
    circuit = circuit.compose(item, list(range(first, middle)))
    return circuit.compose(query, list(range(middle, middle + query.n_qubits)))


def _pairs(item: UnifiedCircuit, query: UnifiedCircuit, first: int) -> list[tuple[int, int]]:
    """The qubits that hold the same data qubit of the item and of the query."""
    middle = first + item.n_qubits
    return [(middle - query.n_qubits + q, middle + q) for q in range(query.n_qubits)]


def _swap(item: UnifiedCircuit, query: UnifiedCircuit) -> UnifiedCircuit:
    circuit = _both(item, query, 1).add_gate("H", 0)
    for pair in _pairs(item, query, 1):
        circuit.add_gate("SWAP", pair, controls=0)
    return circuit.add_gate("H", 0)


def _sign_of_ancilla(states: Integers, n_item: int, n_query: int) -> Floats:
    return np.where(states >> (n_item + n_query) & 1, -1.0, 1.0)


def _destructive_swap(item: UnifiedCircuit, query: UnifiedCircuit) -> UnifiedCircuit:
    circuit = _both(item, query, 0)
    for one, other in _pairs(item, query, 0):
        circuit.add_gate("CX", [one, other]).add_gate("H", one)
    return circuit


def _sign_of_pairs(states: Integers, n_item: int, n_query: int) -> Floats:
    both = states >> n_query & states & (2**n_query - 1)
    for shift in (32, 16, 8, 4, 2, 1):
        both = both ^ (both >> shift)
    return np.where(both & 1, -1.0, 1.0)


METHODS = {
    "inversion": _Method(0, 1, 0.0, _inversion, _all_zero),
    "swap": _Method(1, 2, -1.0, _swap, _sign_of_ancilla),
    "destructive_swap": _Method(0, 2, -1.0, _destructive_swap, _sign_of_pairs),
}


@remember(lambda made, test: 2 * GATE_BYTES * (1 + len(made[1].gates)), most=64)
def _built(test: OverlapTest) -> tuple[UnifiedCircuit, Program]:
    item = amplitude_encoding(test.n_item, test.is_complex, "v")
    query = amplitude_encoding(test.n_query, test.is_complex, "q")
    circuit = METHODS[test.method].build(item, query)
    # Angles that no outcome depends on, such as a global phase, stay columns of the inputs.
    return circuit, compile_circuit(circuit, [*item.parameters, *query.parameters])
