"""`QuantumStateStore`: quantum states, and the circuits that prepare them, found by fidelity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.circuits import reference
from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import InputError, NotFoundError, describe
from qstore_tf.store.catalog import Connection
from qstore_tf.store.circuits import overlap, running
from qstore_tf.store.circuits.overlap import Overlaps
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.definitions.encoding import canonical_phase
from qstore_tf.store.records import BatchResult, Item, QueryResult
from qstore_tf.tracking import tables

State = NDArray[np.complex128]
MOST_QUBITS = 16  # of a stored state: an item has at most 2^16 numbers
_INLINE = 16_000  # bytes of a circuit that metadata hold; an item may have 40 KiB of them
_CIRCUIT, _PLACE = "circuit", "circuit_sha256"


class QuantumStateStore:
    """States of n qubits in one namespace of a quantum database; all have the same n.

    A state is stored as its amplitudes, complex64, with the phase that makes the largest of them
    real and positive: so states that differ by a global phase are one. A circuit is kept beside its
    state as JSON, in the item's metadata, or in a table of its own where it is large.

    Searches are exact, on amplitudes. `measure` and `fidelity` ask a backend instead, by the
    inversion test: the chance that a state, after the inverse of another's preparation, is found in
    |0...0>.

    Args:
        database: The database.
        namespace: Where the states are; made with the first one.

    Example:
        >>> import qstore_tf as qs
        >>> states = QuantumStateStore(qs.store.QuantumDatabase())
        >>> ansatz = qs.UnifiedCircuit(2).add_gate("RY", 0, "a").add_gate("CX", [0, 1])
        >>> for angle in (0.0, 1.0, 2.0):
        ...     _ = states.put(f"at {angle}", ansatz, [angle])
        >>> result = states.search(ansatz, [1.1], top_k=2)
        >>> [(match.id, round(match.fidelity, 3)) for match in result]
        [('at 1.0', 0.998), ('at 2.0', 0.811)]
        >>> states.fidelity("at 0.0", "at 2.0").values.round(3)
        array([0.292])
    """

    def __init__(self, database: QuantumDatabase, namespace: str = "states") -> None:
        self._database, self._namespace = database, namespace
        tables.prepare(database._catalog)

    def put(
        self,
        id: str,
        state: UnifiedCircuit | ArrayLike,
        theta: Sequence[float] | Mapping[str, float] | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        coherence_time: float | None = None,
    ) -> BatchResult:
        """Stores a state, in place of one of the same name.

        Args:
            id: Its name.
            state: A circuit, which is run from |0...0>; or amplitudes [2^n], which are normalised.
            theta: Values of the circuit's symbols in radians, by name or in the order of
                `circuit.parameters`.
            metadata: As of items; "circuit" and "circuit_sha256" are taken.
            coherence_time: tau of its decay in ms; None for the database's default.

        Raises:
            InputError: Amplitudes are not those of n qubits, or values do not fit the circuit.
            ItemError: It cannot be stored, such as a state of another number of qubits.
        """
        amplitudes, circuit = _read(state, theta)
        more = dict(metadata or {})
        for taken in (_CIRCUIT, _PLACE):
            if taken in more:
                raise InputError(describe(f"The key {taken!r} of metadata is taken by the store"))
        if circuit is not None:
            more |= self._keep(circuit.to_json())
        name = self._namespace
        if name not in (space.name for space in self._database.namespaces()):
            self._database.create_namespace(
                name, len(amplitudes), metric="fidelity", dtype="complex64"
            )
        return self._database.upsert(
            id, amplitudes, coherence_time=coherence_time, metadata=more, namespace=name
        )

    def state(self, id: str) -> State:
        """The amplitudes of a stored state [2^n], complex128 of complex64's precision.

        Raises:
            NotFoundError: There is no such state.
        """
        found = np.asarray(self._item(id).vector, np.complex128)
        return found / np.linalg.norm(found)

    def circuit(self, id: str) -> UnifiedCircuit:
        """The circuit of a stored state, its symbols bound to their values.

        Raises:
            NotFoundError: There is no such state, or it was stored by its amplitudes.
        """
        metadata = self._item(id).metadata
        text = metadata.get(_CIRCUIT)
        if text is None and _PLACE in metadata:
            with self._database._catalog.read() as reader:
                row = reader.execute(
                    "SELECT circuit FROM tracking_circuits WHERE sha256 = ?", (metadata[_PLACE],)
                ).fetchone()
            if row is None:
                raise NotFoundError(
                    describe(
                        f"The circuit of state {id!r} is not in this database",
                        hint="Exports leave large circuits out; put the state again.",
                    )
                )
            text = row[0]
        if text is None:
            raise NotFoundError(
                describe(f"State {id!r} was stored by its amplitudes and has no circuit")
            )
        return UnifiedCircuit.from_json(text)

    def search(
        self,
        state: UnifiedCircuit | ArrayLike,
        theta: Sequence[float] | Mapping[str, float] | None = None,
        top_k: int = 10,
        *,
        filter: Mapping[str, Any] | None = None,
    ) -> QueryResult:
        """Finds the states of the highest fidelity |<q|v>|^2, exactly; decay counts.

        Args:
            state: As in `put`.
            theta: Likewise.
            top_k: How many.
            filter: A filter of metadata.
        """
        amplitudes, _ = _read(state, theta)
        return self._database.query(
            amplitudes, top_k=top_k, filter=filter, namespace=self._namespace
        )

    def measure(
        self,
        state: UnifiedCircuit | ArrayLike,
        ids: Sequence[str],
        theta: Sequence[float] | Mapping[str, float] | None = None,
        *,
        backend: Any = None,
        shots: int | None = None,
        seed: int = 0,
    ) -> Overlaps:
        """Measures fidelities with stored states by the inversion test, in one submission.

        The states are prepared from their amplitudes, about 2^n gates each: for few qubits.

        Args:
            state: As in `put`.
            ids: B stored states.
            theta: As in `put`.
            backend: Of `qstore_tf.backends`; None: the reference simulator.
            shots: Of each; None: exact where the backend can.
            seed: From which simulators draw.

        Returns:
            Fidelities [B], with their standard errors.
        """
        amplitudes, _ = _read(state, theta)
        question = overlap.ask(np.stack([self.state(id) for id in ids]), amplitudes)
        return overlap.measure(question, backend, shots, seed)

    def fidelity(
        self,
        a: str | UnifiedCircuit,
        b: str | UnifiedCircuit,
        *,
        backend: Any = None,
        shots: int | None = None,
        seed: int = 0,
    ) -> Overlaps:
        """Measures the fidelity of two states by the circuits that prepare them.

        The circuit of `a` and the inverse of that of `b` are all that runs, however wide they are;
        circuits that are passed need not be stored.

        Args:
            a: A stored state that has a circuit, or a circuit without open symbols.
            b: Likewise, on as many qubits.
            backend: As in `measure`, as are the others.
            shots: Likewise.
            seed: Likewise.

        Returns:
            One fidelity, [1], with its standard error; at least what two more shots, one of each
            outcome, would leave.
        """
        first, second = (x if isinstance(x, UnifiedCircuit) else self.circuit(x) for x in (a, b))
        program = compile_circuit(first.compose(second.inverse()))
        runner = running.usable(backend, program)
        inputs = np.zeros((1, 0))
        if shots is None and running.is_exact(runner):
            exact = running.exact_means(runner, program, inputs, _is_zero)
            return Overlaps(exact, np.zeros(1), 0)
        given = shots if shots is not None else getattr(runner, "shots", None) or 1000
        sums, _ = running.drawn_sums(runner, program, inputs, _is_zero, given, (seed, 0))
        likely = (sums + 1) / (given + 2)
        return Overlaps(sums / given, np.sqrt(likely * (1 - likely) / given), given)

    def _item(self, id: str) -> Item:
        return self._database.get(id, namespace=self._namespace)

    def _keep(self, text: str) -> dict[str, str]:
        """Metadata that hold a circuit, or name the row that does."""
        if len(text.encode()) <= _INLINE:
            return {_CIRCUIT: text}
        digest = hashlib.sha256(text.encode()).hexdigest()

        def work(writer: Connection) -> None:
            writer.execute(
                "INSERT INTO tracking_circuits VALUES (?, ?) ON CONFLICT (sha256) DO NOTHING",
                (digest, text),
            )

        # Before the item that names it.
        self._database._catalog.write(work)
        return {_PLACE: digest}


def _is_zero(states: NDArray[np.int64]) -> NDArray[np.float64]:
    """The outcome 1 of |0...0>, 0 of all others."""
    return np.asarray(states == 0, np.float64)


def _read(
    state: UnifiedCircuit | ArrayLike, theta: Sequence[float] | Mapping[str, float] | None
) -> tuple[State, UnifiedCircuit | None]:
    """The amplitudes of a state, of unit length and canonical phase; its bound circuit."""
    if isinstance(state, UnifiedCircuit):
        _check_size(2**state.n_qubits)
        circuit = _bound(state, theta)
        return canonical_phase(reference.state_vector(compile_circuit(circuit))[0]), circuit
    if theta is not None:
        raise InputError(describe("Amplitudes take no theta", hint="Pass a circuit."))
    amplitudes = np.asarray(state, np.complex128)
    _check_size(len(amplitudes) if amplitudes.ndim == 1 else 0)
    length = float(np.linalg.norm(amplitudes))
    if not 0 < length < np.inf:
        raise InputError(
            describe(
                "These amplitudes are no state",
                expected="finite numbers, not all 0",
                received=f"length {length}",
            )
        )
    return canonical_phase(amplitudes / length), None


def _bound(
    circuit: UnifiedCircuit, theta: Sequence[float] | Mapping[str, float] | None
) -> UnifiedCircuit:
    names = circuit.parameters
    if not isinstance(theta, Mapping):
        numbers = np.asarray([] if theta is None else theta, np.float64)
        theta = dict(zip(names, numbers.tolist(), strict=False)) if numbers.ndim == 1 else {}
        if numbers.shape != (len(names),):
            theta = {}
    if set(theta) != set(names):
        raise InputError(
            describe(
                "The values do not fit the symbols of the circuit",
                expected=f"one number for each of {', '.join(names) or 'none'}",
                received=sorted(theta) or None,
            )
        )
    return circuit.bind(dict(theta)) if names else circuit


def _check_size(size: int) -> None:
    if size < 2 or size & (size - 1) or size > 2**MOST_QUBITS:
        raise InputError(
            describe(
                "This is not a state that can be stored",
                expected=f"amplitudes [2^n] of 1 to {MOST_QUBITS} qubits",
                received=size or "another rank",
                hint="Compare wider circuits by `fidelity`, which needs no amplitudes.",
            )
        )
