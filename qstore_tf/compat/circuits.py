"""Circuits as earlier versions wrote them, IonQ's dicts, and how they are run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from qstore_tf.backends import Backend
from qstore_tf.checks import check_shots
from qstore_tf.circuits import Circuit, UnifiedCircuit, compile_circuit
from qstore_tf.errors import InputError, describe
from qstore_tf.ionq.emulator.batches import Batch, Group
from qstore_tf.ionq.emulator.reading import read
from qstore_tf.ionq.qis_lowering import qis_circuit

_THREADS = 8

AnyCircuit = Circuit | Mapping[str, Any]


def circuit_of(circuit: AnyCircuit) -> UnifiedCircuit:
    """Returns a circuit from IonQ's dict, or one that is none already.

    Args:
        circuit: `{"qubits": n, "circuit": [{"gate": "ry", "target": 0, "rotation": 0.1}, ...]}`,
            angles in radians; native gates with `"gateset": "native"`; or a circuit.

    Raises:
        ConversionError: The dict cannot be read; it says where.

    Example:
        >>> gates = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]
        >>> circuit_of({"qubits": 2, "circuit": gates}).count_gates()
        {'H': 1, 'CX': 1}
    """
    if isinstance(circuit, Circuit):
        return UnifiedCircuit.of(circuit)
    if not isinstance(circuit, Mapping):
        raise InputError(
            describe(
                "This is no circuit",
                expected="a UnifiedCircuit, or a dict {'qubits': n, 'circuit': [...]}",
                received=type(circuit).__name__,
            )
        )
    return UnifiedCircuit.of(read(circuit)[0])


def dict_of(circuit: Circuit) -> dict[str, Any]:
    """Returns a circuit without symbols as IonQ's dict, in gates of the set "qis".

    Up to a global phase it is the same circuit.

    Example:
        >>> dict_of(UnifiedCircuit(1).add_gate("RY", 0, 0.5))["circuit"]
        [{'gate': 'ry', 'target': 0, 'rotation': 0.5}]
    """
    written = qis_circuit(compile_circuit(circuit))
    (entries,) = written.template.circuits(written.bind(np.zeros((1, 0))))
    return {"qubits": circuit.n_qubits, "circuit": entries}


def run(
    circuits: Sequence[AnyCircuit], backend: Backend, shots: int = 1000, seed: int | None = None
) -> list[dict[str, Any]]:
    """Runs circuits, those of one structure as one batch, the batches at the same time.

    Args:
        circuits: Dicts or circuits, without symbols.
        backend: What they run on; it must draw samples.
        shots: Of each.
        seed: Of what simulators draw; None: another each time.

    Returns:
        For each circuit, in order, `counts` by bit strings with qubit 0 first, `probabilities`
        (counts by shots), and `total_shots`.

    Raises:
        QstoreError: A circuit cannot be read, or the backend failed.

    Example:
        >>> from qstore_tf import backends
        >>> flip = UnifiedCircuit(2).add_gate("X", 0)
        >>> run([flip], backends.get("tensorflow"), shots=5)
        [{'counts': {'10': 5}, 'probabilities': {'10': 1.0}, 'total_shots': 5}]
    """
    number = check_shots(shots)
    batch = Batch.of([circuit_of(each) for each in circuits])
    words = np.random.default_rng(seed).integers(2**31 - 1, size=(len(batch.groups), 2))
    found: list[dict[str, Any]] = [{} for _ in circuits]

    def work(group: Group, seed: Any) -> None:
        drawn = _sample(group, backend, number, seed)
        for place, row in zip(group.positions.tolist(), drawn, strict=True):
            found[place] = _read(row, group.n_qubits, number)

    with ThreadPoolExecutor(_THREADS) as threads:
        tasks = [threads.submit(work, *each) for each in zip(batch.groups, words, strict=True)]
        for task in tasks:
            task.result()
    return found


def _sample(group: Group, backend: Backend, shots: int, seed: Any) -> np.ndarray[Any, Any]:
    dtype = "float64" if "float64" in backend.capabilities.dtypes else "float32"
    program = compile_circuit(group.circuit, inputs=group.circuit.parameters)
    backend.check(program)
    drawn = backend.sample(
        program,
        group.values.astype(dtype),
        np.zeros(0, dtype),
        shots=shots,
        seed=seed.astype("int32"),
    )
    return np.asarray(drawn)


def _read(drawn: np.ndarray[Any, Any], n_qubits: int, shots: int) -> dict[str, Any]:
    states, times = np.unique(drawn, return_counts=True)
    counts = {
        format(state, f"0{n_qubits}b"): count
        for state, count in zip(states.tolist(), times.tolist(), strict=True)
    }
    chances = {bits: count / shots for bits, count in counts.items()}
    return {"counts": counts, "probabilities": chances, "total_shots": shots}
