"""`CircuitBuilder`: the circuits behind the words of the database, with numbers put in.

They are there to look at, to export and to run elsewhere; what a database answers is the same in
closed form. `overlap_circuits` has the circuits that measure fidelities, with symbols in place of
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Sized
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.circuits.arguments import check_n_qubits
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, CorrelationError, InputError, describe
from qstore_tf.store.circuits.depolarizing import depolarized
from qstore_tf.store.circuits.preparing import padded, prepare, superposed
from qstore_tf.store.definitions.encoding import metric_named
from qstore_tf.store.definitions.measurement import normalized

Array = NDArray[Any]

BASES = ("computational", "hadamard")


class CircuitBuilder:
    """Builds circuits for vectors of one metric.

    Args:
        metric: "cosine", "dot", "l2" or "fidelity": how vectors become amplitudes.
        max_norm: The longest stored vector, for "dot" and "l2".

    Raises:
        ConfigurationError: An unknown metric.

    Example:
        >>> circuit = CircuitBuilder().build_encoding_circuit([1.0, 2.0, 2.0])
        >>> circuit.n_qubits, circuit.count_gates()
        (2, {'RY': 3, 'CX': 2})
    """

    def __init__(self, metric: str = "cosine", max_norm: float = 1.0) -> None:
        self.metric, self.max_norm = metric_named(metric), max_norm

    def build_encoding_circuit(self, vector: ArrayLike, query: bool = False) -> UnifiedCircuit:
        """Returns the circuit that prepares a vector on ceil(log2 d') qubits.

        Args:
            vector: [d], not zero.
            query: Whether it is lifted as queries are; "dot" and "l2" tell the two apart.

        Raises:
            InputError: It is no vector, or longer than `max_norm`.
        """
        given = _one(vector)
        return prepare(self.metric.encode_query(given) if query else self._encode(given))

    def build_item_circuit(
        self, contexts: Mapping[str, float] | Sequence[Sequence[Any]], vector: ArrayLike = ()
    ) -> UnifiedCircuit:
        """Returns the circuit of an item in its contexts: sum_c sqrt(p_c) |c>|v_c>.

        The ceil(log2 m) context qubits come first; the contexts count in the order given.

        Args:
            contexts: Weights by name, or `(name, p)` and `(name, p, vector)`; they sum to 1.
            vector: [d], of the contexts that have none of their own.

        Raises:
            InputError: The weights are no probabilities, or a vector is missing or wrong.

        Example:
            >>> circuit = CircuitBuilder().build_item_circuit({"bank": 0.5, "river": 0.5}, [1, 2])
            >>> circuit.n_qubits
            3
        """
        listed = contexts.items() if isinstance(contexts, Mapping) else contexts
        rows: list[Sequence[Any]] = list(listed)
        if not rows:
            return self.build_encoding_circuit(vector)
        weights = normalized([row[1] for row in rows], "an item's contexts")
        own = [_one(row[2] if len(row) > 2 and row[2] is not None else vector) for row in rows]
        if len({len(each) for each in own}) > 1:
            raise InputError(
                describe(
                    "The vectors of an item's contexts differ in length",
                    expected="vectors [d] of one length",
                    received=[len(each) for each in own],
                )
            )
        n_context = (len(rows) - 1).bit_length()
        return prepare(superposed(weights, self._encode(np.stack(own)), n_context))

    def build_entanglement_circuit(
        self, group: int | Sized, correlation_strength: float = 0.85
    ) -> UnifiedCircuit:
        """Returns the state cos t |0...0> + sin t |1...1> of the members, with sin 2t = rho.

        X measured on all of them has the mean rho, the group's correlation. Two members have the
        concurrence |rho|; with rho = 1 it is the GHZ state.

        Args:
            group: The members, or their number; at least 2.
            correlation_strength: rho, from -1 to 1.

        Raises:
            CorrelationError: rho is out of range, or there are fewer than two members.

        Example:
            >>> CircuitBuilder().build_entanglement_circuit(["a", "b", "c"]).count_gates()
            {'RY': 1, 'CX': 2}
        """
        members = group if isinstance(group, int) else len(group)
        if members < 2 or not -1 <= correlation_strength <= 1:
            raise CorrelationError(
                describe(
                    "There is no such correlated group",
                    expected="at least two members, and a correlation from -1 to 1",
                    received=(members, correlation_strength),
                )
            )
        circuit = UnifiedCircuit(members)
        circuit.add_gate("RY", 0, math.asin(correlation_strength))
        for qubit in range(1, members):
            circuit.add_gate("CX", [qubit - 1, qubit])
        return circuit

    def build_versions_circuit(
        self, before: tuple[ArrayLike, ArrayLike], after: tuple[ArrayLike, ArrayLike]
    ) -> UnifiedCircuit:
        """Returns the two-version state of a pair, (|A1>|B1> + |A2>|B2>) / norm.

        Its entanglement is that of `versions_concurrence`: none where A or B stayed as it was.

        Args:
            before: The vectors of A and B, [d] each.
            after: The same after an update.

        Raises:
            InputError: A vector is wrong, or the two versions cancel.
        """
        total = sum(
            np.kron(*(padded(self._encode(_one(vector))) for vector in pair))
            for pair in (before, after)
        )
        length = float(np.linalg.norm(total))
        if length < 1e-12:
            raise InputError(describe("The two versions of a pair cancel each other"))
        return prepare(np.asarray(total) / length)

    def build_tunneling_circuit(
        self,
        source: ArrayLike,
        target: ArrayLike,
        barrier: float = 0.0,
        *,
        barrier_threshold: float = 0.8,
        steps: int | None = None,
    ) -> UnifiedCircuit:
        """Returns the circuit that turns a source into a target, by amplitude amplification.

        It prepares the source s and applies `Q = -S_s S_t`, with the reflections
        `S = A (I - 2 |0><0|) A^-1`, floor(pi / (4 theta)) times, sin theta = |<t|s>|. Measured in
        the target's basis it is then found with `amplified`. The barrier is no gate: one above the
        threshold is not admitted.

        Args:
            source: [d], encoded as a stored vector.
            target: [d], encoded so too.
            barrier: What lies between them, see `tunneling`.
            barrier_threshold: The highest that is admitted.
            steps: How often Q is applied; None: as often as finds the target surest.

        Raises:
            ConfigurationError: The barrier is too high, or the two have nothing in common, from
                where no number of steps leads anywhere.

        Example:
            >>> builder = CircuitBuilder("fidelity")
            >>> circuit = builder.build_tunneling_circuit([1, 0.2], [0, 1])
            >>> circuit.n_qubits
            1
        """
        if not barrier <= barrier_threshold:
            raise ConfigurationError(
                describe(
                    "The barrier is too high to be tunneled through",
                    expected=f"at most {barrier_threshold}, the threshold",
                    received=barrier,
                )
            )
        start, end = (padded(self._encode(_one(v))) for v in (source, target))
        overlap = float(abs(np.vdot(end, start)))
        if overlap < 1e-9:
            raise ConfigurationError(
                describe(
                    "Source and target are orthogonal: amplification cannot start",
                    expected="a fidelity above 0",
                )
            )
        count = amplification_steps(overlap) if steps is None else steps
        to_start, to_end = prepare(start), prepare(end)
        once = UnifiedCircuit(to_start.n_qubits)
        for there in (to_end, to_start):
            once = once.compose(there.inverse()).compose(_zero_reflection(once.n_qubits))
            once = once.compose(there)
        once.add_gate("GlobalPhase", [], math.pi)
        circuit = to_start.copy()
        for _ in range(count):
            circuit = circuit.compose(once)
        return circuit

    def build_measurement_circuit(
        self, basis: str = "computational", n_qubits: int = 1
    ) -> UnifiedCircuit:
        """Returns measurement markers on all qubits, after H gates for the "hadamard" basis.

        No state has certain outcomes in both: the entropies of the outcomes sum to at least n bits
        (Maassen and Uffink, PRL 60, 1103).

        Args:
            basis: "computational" or "hadamard".
            n_qubits: How many qubits.

        Raises:
            ConfigurationError: An unknown basis.

        Example:
            >>> CircuitBuilder().build_measurement_circuit("hadamard", 2).count_gates()
            {'H': 2, 'Measure': 2}
        """
        if basis not in BASES:
            raise ConfigurationError(
                describe(
                    "Unknown basis of a measurement",
                    expected=" or ".join(map(repr, BASES)),
                    received=basis,
                )
            )
        check_n_qubits(n_qubits)
        circuit = UnifiedCircuit(n_qubits)
        for qubit in range(n_qubits if basis == "hadamard" else 0):
            circuit.add_gate("H", qubit)
        for qubit in range(n_qubits):
            circuit.add_gate("M", qubit)
        return circuit

    def build_depolarized_circuit(
        self, circuit: UnifiedCircuit, prefix: str = "error"
    ) -> UnifiedCircuit:
        """Returns a circuit with Pauli gates on each qubit at its end, switched by symbols.

        Averaged over the rows of `depolarizing.pauli_mixture(eta, n)` it is the decayed state
        `eta rho + (1 - eta) I / D`.

        Args:
            circuit: What prepares the state.
            prefix: Of the symbols.

        Example:
            >>> bell = CircuitBuilder().build_entanglement_circuit(2, 1.0)
            >>> CircuitBuilder().build_depolarized_circuit(bell).parameters
            ('error_x_0', 'error_z_0', 'error_x_1', 'error_z_1')
        """
        return depolarized(circuit, prefix)

    def _encode(self, vectors: Array) -> Array:
        return self.metric.encode(vectors, self.max_norm)


def amplification_steps(overlap: float) -> int:
    """Returns floor(pi / (4 theta)), sin theta = overlap: the steps that find a target surest.

    Example:
        >>> amplification_steps(0.5), amplification_steps(0.03742)
        (1, 20)
    """
    return math.floor(math.pi / (4 * math.asin(min(overlap, 1.0))))


def amplified(fidelity: float, steps: int) -> float:
    """Returns sin^2((2 k + 1) theta), sin^2 theta = F: the fidelity with the target after k steps.

    Example:
        >>> round(amplified(0.0014, 20), 5)
        0.99868
    """
    return math.sin((2 * steps + 1) * math.asin(math.sqrt(min(fidelity, 1.0)))) ** 2


def versions_concurrence(overlap_a: complex, overlap_b: complex) -> float:
    """Returns the concurrence of (|A1>|B1> + |A2>|B2>) / norm, from <A1|A2> and <B1|B2>.

    The Schmidt weights of the state are (1 +- sqrt(1 - C^2)) / 2.

    Example:
        >>> versions_concurrence(0.0, 0.0), versions_concurrence(1.0, 0.3)
        (1.0, 0.0)
    """
    spread = (1 - abs(overlap_a) ** 2) * (1 - abs(overlap_b) ** 2)
    return math.sqrt(max(spread, 0.0)) / (1 + (overlap_a * overlap_b).real)


def _zero_reflection(n_qubits: int) -> UnifiedCircuit:
    """I - 2 |0...0><0...0|."""
    circuit = UnifiedCircuit(n_qubits)
    for qubit in range(n_qubits):
        circuit.add_gate("X", qubit)
    circuit.add_gate("Z", n_qubits - 1, controls=range(n_qubits - 1))
    for qubit in range(n_qubits):
        circuit.add_gate("X", qubit)
    return circuit


def _one(vector: ArrayLike) -> Array:
    given = np.asarray(vector)
    if given.ndim != 1 or not given.size:
        raise InputError(
            describe("This is not one vector", expected="shape [d]", received=list(given.shape))
        )
    return given
