"""Shots of a noisy circuit, each with its own errors: for circuits too wide for mixed states.

For every shot it is drawn where errors happen and which. Shots without any are draws from the
ideal state; the others are run side by side, as columns of one array.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qstore_tf.errors import MemoryLimitError, describe
from qstore_tf.ionq.emulator.noise import Noise
from qstore_tf.ionq.emulator.programs import Step
from qstore_tf.ionq.emulator.sampling import IntArray, draw
from qstore_tf.ionq.emulator.state_vectors import FloatArray, States, angle_of

COLUMNS = 2**18  # amplitudes at once
# Amplitudes times gates of all shots with errors: minutes of work.
MOST_WORK = 2**36
# What each Pauli letter does to a qubit, by entries of its matrix; I first.
_LETTERS = np.array(
    [[1, 0, 0, 1], [0, 1, 1, 0], [0, -1j, 1j, 0], [1, 0, 0, -1]], dtype=np.complex128
)


def noisy_shots(
    steps: Sequence[Step],
    n_qubits: int,
    row: FloatArray,
    noise: Noise,
    shots: int,
    rng: np.random.Generator,
) -> tuple[IntArray, IntArray]:
    """Draws shots of one native circuit with noise after every gate.

    Args:
        steps: Its native gates, as of `steps_of`.
        n_qubits: Its number of qubits.
        row: The circuit's numbers, [n_values].
        noise: The noise model.
        shots: How many.
        rng: Where from.

    Returns:
        The outcomes that came, in order, and how often each; bit q of an outcome is qubit q.

    Raises:
        MemoryLimitError: The circuit is too large for so many shots.
    """
    sizes = np.array([len(qubits) for qubits, _ in steps], dtype=np.int64)
    any_error = np.array([noise.rate(k) * (1 - 4.0**-k) for k in sizes])
    errors = _draw_errors(sizes, any_error, shots, rng)
    wrong = np.unique(errors[0])
    work = len(wrong) * len(steps) * 2**n_qubits
    if work > MOST_WORK:
        raise MemoryLimitError(
            describe(
                "Noisy shots of this circuit are too much work for the local IonQ",
                expected=f"shots with errors x gates x 2^qubits of at most {MOST_WORK:.2g}",
                received=f"{len(wrong)} x {len(steps)} x 2^{n_qubits}",
                hint="Take fewer shots or qubits, or no noise",
            )
        )
    states = _evolve(steps, n_qubits, row, 1, {})
    outcomes, counts = draw(states.probabilities()[:, 0], shots - len(wrong), rng)
    drawn = [np.repeat(outcomes, counts)]
    columns = max(1, COLUMNS >> n_qubits)
    for start in range(0, len(wrong), columns):
        chunk = wrong[start : start + columns]
        states = _evolve(steps, n_qubits, row, len(chunk), _by_step(errors, chunk))
        upto = np.cumsum(states.probabilities(), axis=0)
        reached = upto > rng.random(len(chunk)) * upto[-1]
        drawn.append(reached.argmax(axis=0))
    return np.unique(np.concatenate(drawn), return_counts=True)


def _draw_errors(
    sizes: IntArray, any_error: FloatArray, shots: int, rng: np.random.Generator
) -> tuple[IntArray, IntArray, IntArray]:
    """Returns shot, gate and kind of each error; a kind has two bits for each qubit, not all 0."""
    found: list[NDArray[np.int64]] = []
    for gate, chance in enumerate(any_error):
        hit = np.flatnonzero(rng.random(shots) < chance)
        kind = rng.integers(1, 4 ** int(sizes[gate]), size=len(hit))
        found.append(np.stack([hit, np.full(len(hit), gate), kind]))
    shot, gate_of, kinds = np.concatenate([np.zeros((3, 0), dtype=np.int64), *found], axis=1)
    return shot, gate_of, kinds


def _by_step(
    errors: tuple[IntArray, IntArray, IntArray], chunk: IntArray
) -> dict[int, tuple[IntArray, IntArray]]:
    """Returns for each gate the columns of a chunk of shots in which it fails, and how."""
    shot, gate, kind = errors
    inside = (shot >= chunk[0]) & (shot <= chunk[-1])
    column = np.searchsorted(chunk, shot[inside])
    gates, kinds = gate[inside], kind[inside]
    return {int(g): (column[gates == g], kinds[gates == g]) for g in np.unique(gates)}


def _evolve(
    steps: Sequence[Step],
    n_qubits: int,
    row: FloatArray,
    size: int,
    errors: dict[int, tuple[IntArray, IntArray]],
) -> States:
    states = States(n_qubits, size)
    for number, (qubits, primitives) in enumerate(steps):
        for gate in primitives:
            states.apply(gate, angle_of(gate, row[None]))
        if number in errors:
            columns, kinds = errors[number]
            for place, qubit in enumerate(qubits):
                letters = np.zeros(size, dtype=np.int64)
                letters[columns] = kinds >> (2 * place) & 3
                states.turn(qubit, tuple(_LETTERS[letters].T))
    return states
