"""What compiling declares about outcomes: a permutation of the wires, or sums of them and flips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import InputError, describe
from qstore_tf.ionq.compiling import Compiled


def output_map(
    compiled: Compiled, values: ArrayLike | Mapping[str, float] | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Returns how outcomes of qubits follow from those of wires: `matrix wires + offset`, modulo 2.

    Flips that depend on the numbers are in the offset.

    Args:
        compiled: What `compile` returned.
        values: Values of the symbols, one set.

    Returns:
        The matrix, [qubits, wires], and the offset, [qubits], of 0 and 1.

    Raises:
        InputError: The values do not fit the symbols, or are more than one set.

    Example:
        >>> from qstore_tf.circuits import Circuit
        >>> from qstore_tf.ionq import compile
        >>> circuit = Circuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
        >>> output_map(compile(circuit, mode="measured"))[0].tolist()
        [[1, 0], [1, 1]]
    """
    flips = one_set(compiled.bind(values).flips)
    matrix = compiled.outcomes.matrix
    offset = (compiled.outcomes.offset + matrix.astype(np.int64) @ flips) % 2
    return matrix, offset.astype(np.uint8)


def permutation_of(
    matrix: NDArray[np.uint8], offset: NDArray[np.uint8] | None
) -> tuple[int, ...] | None:
    """Returns for each qubit the wire on which it ends.

    Args:
        matrix: [qubits, wires], as of `output_map`.
        offset: [qubits]; None: it depends on values that are not known.

    Returns:
        The wires; None where an outcome is a sum of several wires', or may have to be flipped.
    """
    if offset is None or offset.any() or not (matrix.sum(axis=1) == 1).all():
        return None
    return tuple(int(wire) for wire in matrix.argmax(axis=1))


def in_words(matrix: NDArray[np.uint8], offset: NDArray[np.uint8] | None) -> str:
    """Says how outcomes of qubits follow from those of wires; arguments as in `permutation_of`."""
    wires = permutation_of(matrix, offset)
    if wires == tuple(range(len(matrix))):
        return "qubit k ends on wire k"
    if wires is not None:
        return f"qubits 0 to {len(wires) - 1} end on wires {', '.join(map(str, wires))}"
    sums = []
    for qubit, row in enumerate(matrix):
        parts = [f"w{wire}" for wire in np.flatnonzero(row)]
        if offset is not None and offset[qubit]:
            parts.append("1")
        sums.append(f"q{qubit} = {' + '.join(parts) or '0'}")
    flips = "" if offset is not None else "; flips depend on the symbols"
    return f"to be computed modulo 2: {', '.join(sums)}{flips}"


def one_set(rows: NDArray[Any]) -> NDArray[Any]:
    """Returns the only row of a batch of one.

    Raises:
        InputError: There are more.
    """
    if len(rows) != 1:
        raise InputError(
            describe(
                "A report is about one set of values",
                expected="one number for each symbol",
                received=f"a batch of {len(rows)}",
            )
        )
    return rows[0]
