"""States of the database as amplitudes of registers, and the circuits that prepare them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.circuits.encodings import amplitude_angles, amplitude_encoding
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, describe

Array = NDArray[Any]


def width_of(dimension: int) -> int:
    """Returns the next power of two from 2 up: the amplitudes of a register that holds a vector.

    Example:
        >>> [width_of(d) for d in (1, 2, 3, 129)]
        [2, 2, 4, 256]
    """
    return int(2 ** max(1, (int(dimension) - 1).bit_length()))


def padded(amplitudes: ArrayLike) -> Array:
    """Returns amplitudes [..., d'] with zeros up to the next power of two.

    Example:
        >>> padded([0.6, 0.0, 0.8])
        array([0.6, 0. , 0.8, 0. ])
    """
    rows = np.asarray(amplitudes)
    free = [(0, 0)] * (rows.ndim - 1)
    return np.pad(rows, [*free, (0, width_of(rows.shape[-1]) - rows.shape[-1])])


def superposed(weights: ArrayLike, vectors: ArrayLike, n_context: int) -> Array:
    """Returns `sum_c sqrt(w_c) |c>|v_c>`: an item of its contexts, or a coherent query.

    Args:
        weights: [..., m], at least 0, with sum 1; context c is number c of the register.
        vectors: Unit amplitudes [..., m, d'], or [d'] for all contexts alike.
        n_context: a, with 2^a >= m.

    Returns:
        [..., 2^(a + n)], n = ceil(log2 d'), at least 1.

    Raises:
        ConfigurationError: There are more contexts than the register holds.

    Example:
        >>> superposed([0.5, 0.5], [0.6, 0.8], 1).round(3)
        array([0.424, 0.566, 0.424, 0.566])
    """
    shares = np.asarray(weights, np.float64)
    missing = 2**n_context - shares.shape[-1]
    if missing < 0:
        raise ConfigurationError(
            describe(
                "There are more contexts than the register holds",
                expected=f"at most {2**n_context}",
                received=shares.shape[-1],
            )
        )
    table = padded(np.sqrt(shares)[..., None] * np.asarray(vectors))
    free = [(0, 0)] * (table.ndim - 2)
    table = np.pad(table, [*free, (0, missing), (0, 0)])
    flat: Array = table.reshape(*table.shape[:-2], -1)
    return flat


def prepare(amplitudes: ArrayLike, is_complex: bool | None = None) -> UnifiedCircuit:
    """Returns the circuit without symbols that prepares a state from |0...0>.

    Args:
        amplitudes: [d'], of unit length; filled up with zeros.
        is_complex: Whether to use the form for complex amplitudes; None: where they are.

    Example:
        >>> prepare([0.6, 0.8]).count_gates()
        {'RY': 1}
    """
    state = padded(amplitudes)
    complex_form = np.iscomplexobj(state) if is_complex is None else is_complex
    state = state.astype(np.complex128 if complex_form else np.float64)
    circuit = amplitude_encoding(len(state).bit_length() - 1, complex_form)
    angles = amplitude_angles(state[None])[0]
    return circuit.bind(dict(zip(circuit.parameters, angles.tolist(), strict=True)))
