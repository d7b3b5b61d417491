"""The engine of the local IonQ: circuits in, probabilities or frequencies of outcomes out.

Circuits of one structure are run together. Ideal results are exact; noisy ones are exact on up to
`EXACT_QUBITS` qubits and from shots beyond; shots are drawn with a seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.errors import InputError, MemoryLimitError, describe
from qstore_tf.ionq.emulator.batches import Batch, Group
from qstore_tf.ionq.emulator.noise import Noise, noise_model
from qstore_tf.ionq.emulator.pauli_basis import noisy_probabilities
from qstore_tf.ionq.emulator.programs import native_group, program_of, steps_of, without_idle
from qstore_tf.ionq.emulator.sampling import NOTHING, FloatArray, IntArray, draw
from qstore_tf.ionq.emulator.state_vectors import CHUNK, run
from qstore_tf.ionq.emulator.trajectories import noisy_shots

# Up to here the mixed state is kept; it has 4^n numbers.
EXACT_QUBITS = 7

# Amplitudes times operations of all circuits of one structure: minutes of work.
MOST_WORK = 2**36

Outcome = dict[int, float]  # outcome, bit q of which is qubit q, to probability or frequency
_Found = tuple[IntArray, FloatArray]  # outcomes and their probabilities


def simulate(
    circuits: Sequence[Circuit],
    *,
    noise: Noise | str | None = None,
    shots: int | None = None,
    seed: int | None = None,
) -> list[Outcome]:
    """Runs circuits and returns what the service would.

    Args:
        circuits: What `reading.read` returned, or circuits without symbols.
        noise: A noise model or its name, such as "aria-1"; None or "ideal" for none. Circuits of
            other than native gates are compiled to those of its machine first.
        shots: How many times each circuit runs; None for exact probabilities.
        seed: Of the shots, at least 0; None for others each time.

    Returns:
        For each circuit its outcomes, as IonQ's keys: qubit 0 is the least significant bit. Without
        shots probabilities; outcomes that cannot come are left out. With shots frequencies, whole
        multiples of 1 / shots.

    Raises:
        InputError: A circuit has symbols, `shots` makes no sense, or is missing where a noisy
            circuit has more than 7 qubits.
        ConfigurationError: There is no such noise model.
        CircuitError: A circuit cannot be compiled for the noise model's machine.
        MemoryLimitError: A circuit is too large.

    Example:
        >>> bell = Circuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
        >>> {key: round(p, 6) for key, p in simulate([bell])[0].items()}
        {0: 0.5, 3: 0.5}
        >>> simulate([Circuit(2).add_gate("X", 0)], shots=100, seed=1)
        [{1: 1.0}]
    """
    if shots is not None and (type(shots) is not int or shots < 1):
        raise InputError(
            describe("`shots` is unusable", expected="a whole number of at least 1", received=shots)
        )
    batch = circuits if isinstance(circuits, Batch) else Batch.of(circuits)
    model = noise_model(noise)
    rng = np.random.default_rng(seed)
    results: list[Outcome] = [{}] * batch.n_circuits
    for whole in batch.groups:
        group, qubits = without_idle(whole)
        found = _ideal(group, shots, rng) if model is None else _noisy(group, model, shots, rng)
        for position, (outcomes, chances) in zip(group.positions.tolist(), found, strict=True):
            if len(qubits) < whole.n_qubits:
                outcomes = _moved(outcomes, qubits)
            results[position] = dict(zip(outcomes.tolist(), chances.tolist(), strict=True))
    return results


def _ideal(group: Group, shots: int | None, rng: np.random.Generator) -> Iterator[_Found]:
    program = program_of(group.circuit)
    work = len(group.values) * max(1, len(program.gates)) * 2**group.n_qubits
    if work > MOST_WORK:
        raise MemoryLimitError(
            describe(
                "These circuits are too much work for the local IonQ",
                expected=f"circuits x operations x 2^qubits of at most {MOST_WORK:.2g}",
                received=f"{len(group.values)} x {len(program.gates)} x 2^{group.n_qubits}",
                hint="Use fewer qubits or circuits",
            )
        )
    for values in _chunks(group, 2**group.n_qubits):
        yield from _outcomes(run(program, values).probabilities(), shots, rng)


def _noisy(
    group: Group, noise: Noise, shots: int | None, rng: np.random.Generator
) -> Iterator[_Found]:
    native, wires = native_group(group, noise.name)
    # Qubit k ends on wire wires[k]; so wire j becomes qubit order[j].
    order = [wires.index(wire) for wire in range(len(wires))]
    if group.n_qubits <= EXACT_QUBITS:
        for values in _chunks(native, 4**group.n_qubits):
            chances = noisy_probabilities(native, values, noise)
            for outcomes, found in _outcomes(chances, shots, rng):
                yield _sorted(_moved(outcomes, order), found)
        return
    if shots is None:
        raise InputError(
            describe(
                "Results of a noisy circuit are not computed exactly on so many qubits",
                expected=f"at most {EXACT_QUBITS} qubits, or shots",
                received=group.n_qubits,
            )
        )
    steps = steps_of(native.circuit)
    for row in native.values:
        outcomes, counts = noisy_shots(steps, native.n_qubits, row, noise, shots, rng)
        yield _sorted(_moved(outcomes, order), counts / shots)


def _chunks(group: Group, size: int) -> Iterator[FloatArray]:
    """Returns the numbers of as many circuits at a time as fit a core's cache."""
    rows = max(1, CHUNK // size)
    for start in range(0, len(group.values), rows):
        yield group.values[start : start + rows]


def _outcomes(chances: FloatArray, shots: int | None, rng: np.random.Generator) -> Iterator[_Found]:
    for column in np.ascontiguousarray(chances.T):
        if shots is None:
            outcomes = np.flatnonzero(column > NOTHING)
            yield outcomes, column[outcomes]
        else:
            outcomes, counts = draw(column, shots, rng)
            yield outcomes, counts / shots


def _moved(outcomes: IntArray, places: Sequence[int]) -> IntArray:
    """Returns outcomes with bit k at another place."""
    if outcomes.size and max(places) > 62:  # wider than an integer of NumPy
        outcomes = outcomes.astype(object)
    moved = np.zeros_like(outcomes)
    for bit, place in enumerate(places):
        moved |= (outcomes >> bit & 1) << place
    return moved


def _sorted(outcomes: IntArray, chances: FloatArray) -> _Found:
    order = np.argsort(outcomes)
    return outcomes[order], chances[order]
