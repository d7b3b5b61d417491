"""The angles with which amplitude encoding prepares given amplitudes, and how these are normalized.

The functions work on NumPy arrays and on TensorFlow's tensors alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qstore_tf.circuits.arguments import check_n_qubits
from qstore_tf.circuits.encodings.arrays import NUMPY, ArrayFunctions
from qstore_tf.errors import InputError, describe


def amplitude_angles(amplitudes: Any, xp: ArrayFunctions = NUMPY) -> Any:
    """The angles with which `amplitude_encoding` prepares the given amplitudes.

    They depend on the direction of a row alone, so rows need no normalization. Where an angle
    has no derivative (both halves of a branch vanish, a vanishing complex amplitude) the
    angle and its gradient are 0; a row of zeros so gives |0...0>. NaN and infinities give NaN.

    Args:
        amplitudes: real or complex `[batch, 2^n]`, NumPy array or, with `xp` accordingly,
            tensor; the batch size may be unknown, the width not.
        xp: the array functions, `ArrayFunctions.of(numpy)` or `ArrayFunctions.of(tensorflow)`.

    Returns:
        Real `[batch, 2^n - 1]` for real and `[batch, 2^(n+1) - 1]` for complex amplitudes, in
        the precision of the input, in radians, in the order of the circuit's symbols.

    Raises:
        InputError: if the width is not a power of two from 2 up, or the rank not 2.

    >>> amplitude_angles(np.array([[1.0, 1.0]])).round(4).tolist()
    [[1.5708]]
    """
    if xp is NUMPY:
        amplitudes = np.asarray(amplitudes)
        if amplitudes.dtype.kind not in "fc":
            amplitudes = amplitudes.astype(np.float64)
    n_qubits = _n_qubits_of(amplitudes)
    is_complex = xp.is_complex(amplitudes)
    if is_complex:
        real, imag = _scaled([xp.real(amplitudes), xp.imag(amplitudes)], xp)
        squares = xp.square(real) + xp.square(imag)
        leaves = None
    else:
        (leaves,) = _scaled([amplitudes], xp)
        squares = xp.square(leaves)
    blocks = _magnitude_blocks(leaves, squares, n_qubits, xp)
    if is_complex:
        blocks += _phase_blocks(_atan2(imag, real, xp), n_qubits, xp)
    return xp.concat(blocks, axis=1)


def normalized_amplitudes(features: Any, n_qubits: int, xp: ArrayFunctions = NUMPY) -> Any:
    """Pads features with zeros up to 2^n and normalizes each row to length 1.

    A row of zeros becomes |0...0> and has gradient 0. NaN and infinities give NaN.

    Args:
        features: real or complex `[batch, width]`, floating point.
        n_qubits: number of qubits.
        xp: the array functions.

    Returns:
        `[batch, 2^n_qubits]` in the dtype of the features.

    Raises:
        InputError: if there are more than 2^n_qubits features, or the rank is not 2.

    >>> normalized_amplitudes(np.array([[3.0, 4.0, 0.0]]), 2).round(4).tolist()
    [[0.6, 0.8, 0.0, 0.0]]
    """
    check_n_qubits(n_qubits)
    width, size = _width(features), 2**n_qubits
    if width > size:
        raise InputError(
            describe(
                f"{width} features do not fit into the amplitudes of {n_qubits} qubits",
                expected=f"at most 2^{n_qubits} = {size} features",
                received=width,
                hint=f"Use n_qubits={(width - 1).bit_length()} or reduce the features.",
            )
        )
    padded = xp.pad_right(features, size - width)
    is_complex = xp.is_complex(padded)
    parts = [xp.real(padded), xp.imag(padded)] if is_complex else [padded]
    parts = _scaled(parts, xp)
    total = xp.sum(sum(xp.square(part) for part in parts), axis=1)
    empty = total <= 0.0
    inverse = 1.0 / xp.sqrt(xp.where(empty, xp.ones_like(total), total))
    if is_complex:
        row = (xp.cast_like(parts[0], padded) + 1j * xp.cast_like(parts[1], padded)) * (
            xp.cast_like(inverse, padded)
        )
    else:
        row = parts[0] * inverse
    first = np.zeros((1, size))
    first[0, 0] = 1.0
    ground = xp.cast_like(first, padded) + xp.zeros_like(row)
    return xp.where(empty, ground, row)


def _width(array: Any) -> int:
    shape = tuple(array.shape) if getattr(array.shape, "rank", 2) is not None else ()
    if len(shape) != 2 or shape[1] is None or not shape[1]:
        raise InputError(
            describe(
                "Amplitudes come as one row per sample",
                expected="shape [batch, features] with a known number of features",
                received=f"shape {shape}",
                hint="Reshape the input to two axes.",
            )
        )
    return int(shape[1])


def _n_qubits_of(amplitudes: Any) -> int:
    width = _width(amplitudes)
    n_qubits = width.bit_length() - 1
    if n_qubits < 1 or 2**n_qubits != width:
        raise InputError(
            describe(
                "The number of amplitudes must be a power of two",
                expected="a width of 2, 4, 8, ...",
                received=width,
                hint="Pad the features with `normalized_amplitudes(features, n_qubits)`.",
            )
        )
    return n_qubits


def _scaled(parts: list[Any], xp: ArrayFunctions) -> list[Any]:
    """Divides each row by its largest entry, so that squares neither overflow nor vanish.

    Angles and normalized rows do not change with the scale, so no gradient goes through it.
    """
    largest = xp.max(xp.concat([xp.abs(part) for part in parts], axis=1), axis=1)
    scale = xp.stop_gradient(xp.where(largest <= 0.0, xp.ones_like(largest), largest))
    with np.errstate(invalid="ignore"):  # infinity by infinity is NaN, as promised
        return [part / scale for part in parts]


def _atan2(y: Any, x: Any, xp: ArrayFunctions) -> Any:
    # Written as "vanishes" rather than "is there" so that NaN takes the ordinary way.
    vanishes = xp.square(y) + xp.square(x) <= xp.tiny(x)
    return xp.atan2(xp.where(vanishes, xp.zeros_like(y), y), xp.where(vanishes, xp.ones_like(x), x))


def _sqrt(x: Any, xp: ArrayFunctions) -> Any:
    vanishes = x <= xp.tiny(x)
    root = xp.sqrt(xp.where(vanishes, xp.ones_like(x), x))
    return xp.where(vanishes, xp.zeros_like(x), root)


def _magnitude_blocks(
    leaves: Any | None, squares: Any, n_qubits: int, xp: ArrayFunctions
) -> list[Any]:
    """RY angles, one block per target qubit; `leaves` are the signed amplitudes if real."""
    blocks = []
    for target in reversed(range(n_qubits)):
        if leaves is not None and target == n_qubits - 1:
            low, high = _halves(leaves, xp)
        else:
            low, high = (_sqrt(half, xp) for half in _halves(squares, xp))
        blocks.append(_multiplexed(2.0 * _atan2(high, low, xp), _gray_codes(target), xp))
        low, high = _halves(squares, xp)
        squares = low + high
    return blocks[::-1]


def _phase_blocks(phases: Any, n_qubits: int, xp: ArrayFunctions) -> list[Any]:
    """RZ angles, one block per target qubit from the last to the first, then the global phase."""
    blocks = []
    for target in reversed(range(n_qubits)):
        low, high = _halves(phases, xp)
        blocks.append(_multiplexed(high - low, _gray_codes(target)[::-1], xp))
        phases = 0.5 * (low + high)
    return [*blocks, phases]


def _halves(x: Any, xp: ArrayFunctions) -> tuple[Any, Any]:
    pairs = xp.reshape(x, (-1, int(x.shape[1]) // 2, 2))
    return pairs[:, :, 0], pairs[:, :, 1]


def _gray_codes(n_bits: int) -> list[int]:
    return [step ^ (step >> 1) for step in range(2**n_bits)]


def _multiplexed(angles: Any, order: list[int], xp: ArrayFunctions) -> Any:
    """Angles per control value -> angles of the single rotations between the CX gates.

    Rotation `i` acts with sign (-1)^(b . gray(i)) for control value `b`: a Walsh-Hadamard
    transform, read in the order of the Gray codes.
    """
    size = len(order)
    half = 1
    while half < size:
        blocks = xp.reshape(angles, (-1, size // (2 * half), 2, half))
        low, high = blocks[:, :, 0], blocks[:, :, 1]
        angles = xp.reshape(xp.stack([low + high, low - high], axis=2), (-1, size))
        half *= 2
    return xp.gather(angles, order, axis=1) * (1.0 / size)
