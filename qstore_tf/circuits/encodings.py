"""Circuits that load classical numbers into qubits: angle, basis and amplitude encoding.

Amplitude encoding is the multiplexer construction of Mottonen, Vartiainen, Bergholm and
Salomaa (arXiv:quant-ph/0406176, arXiv:quant-ph/0407010): a cascade of uniformly controlled RY
gates sets the magnitudes, one of RZ gates the phases. Its structure depends on the number of
qubits alone; `amplitude_angles` turns a batch of amplitudes into the numbers for its symbols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from qstore_tf import limits
from qstore_tf.circuits.ansatz import check_n_qubits, named
from qstore_tf.circuits.arrays import NUMPY, ArrayFunctions
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, InputError, describe, did_you_mean

_AXES = {"x": "RX", "y": "RY", "z": "RZ"}


def angle_encoding(n_qubits: int, axis: str = "x", name: str = "x") -> UnifiedCircuit:
    """One rotation per qubit, its angle the feature in radians.

    Args:
        n_qubits: number of qubits, and of features.
        axis: "x", "y" or "z". The Z axis rotates nothing on |0>, so for "z" a Hadamard goes
            in front of each rotation.
        name: stem of the symbols `name_0, name_1, ...`.

    Returns:
        A circuit with one symbol per qubit.

    Raises:
        ConfigurationError: if the axis is not one of the three.

    >>> angle_encoding(2).parameters
    ('x_0', 'x_1')
    """
    check_n_qubits(n_qubits)
    gate = _AXES.get(axis.lower()) if isinstance(axis, str) else None
    if gate is None:
        raise ConfigurationError(
            describe(
                "Unknown axis of an angle encoding",
                expected="'x', 'y' or 'z'",
                received=axis,
                hint=did_you_mean(str(axis), _AXES),
            )
        )
    circuit = UnifiedCircuit(n_qubits)
    for qubit in range(n_qubits):
        if gate == "RZ":
            circuit.add_gate("H", [qubit])
        circuit.add_gate(gate, [qubit], [f"{name}_{qubit}"])
    return circuit


def basis_encoding(n_qubits: int, name: str = "x") -> UnifiedCircuit:
    """Bits to basis states: RX(pi * b) on each qubit, so that 0 stays |0> and 1 becomes |1>.

    Each 1 brings a factor -i with it, which no expectation value sees. A value between 0 and 1
    gives a superposition, which keeps the encoding differentiable.

    Args:
        n_qubits: number of qubits, and of bits.
        name: stem of the symbols `name_0, name_1, ...`.

    Returns:
        A circuit with one symbol per qubit.

    >>> basis_encoding(3).n_parameters
    3
    """
    check_n_qubits(n_qubits)
    circuit = UnifiedCircuit(n_qubits)
    for qubit in range(n_qubits):
        circuit.add_gate("RX", [qubit], [Affine(0.0, ((f"{name}_{qubit}", float(np.pi)),))])
    return circuit


def amplitude_encoding(n_qubits: int, complex: bool = False, name: str = "x") -> UnifiedCircuit:
    """Prepares any state of `n_qubits` from |0...0>, exactly, global phase included.

    Real amplitudes take 2^n - 1 RY and 2^n - 2 CX gates. Complex ones take as many RZ more,
    2^(n+1) - 6 CX altogether (none for one qubit), and a global phase.

    Args:
        n_qubits: number of qubits.
        complex: whether the amplitudes are complex.
        name: stem of the symbols.

    Returns:
        A circuit whose symbols `name_0, name_1, ...` are the columns of `amplitude_angles`:
        2^n - 1 of them for real amplitudes, 2^(n+1) - 1 for complex ones.

    >>> amplitude_encoding(2).n_parameters
    3
    """
    check_n_qubits(n_qubits)
    # Twice as many RZ for complex amplitudes; the power itself must not become too large.
    gates = 2 ** min(n_qubits + 1 + complex, 100)
    limits.GATES.check(gates, f"An amplitude encoding of {n_qubits} qubits")
    circuit = UnifiedCircuit(n_qubits)
    count = 0

    def rotate(gate: str, qubits: list[int]) -> None:
        nonlocal count
        circuit.add_gate(gate, qubits, [f"{name}_{count}"])
        count += 1

    for target in range(n_qubits):
        size = 2**target
        for step in range(size):
            rotate("RY", [target])
            last = complex and target == n_qubits - 1 and step == size - 1
            if target and not last:
                circuit.add_gate("CX", [_gray_control(target, step), target])
    if complex:
        for target in reversed(range(n_qubits)):
            size = 2**target
            # Mirrored in time, so that its first CX cancels against the last one of the RY
            # cascade: neither is written.
            for step in reversed(range(size)):
                first = target == n_qubits - 1 and step == size - 1
                if target and not first:
                    circuit.add_gate("CX", [_gray_control(target, step), target])
                rotate("RZ", [target])
        circuit.add_gate("GlobalPhase", [], [f"{name}_{count}"])
    return circuit


def _gray_control(n_controls: int, step: int) -> int:
    """The control qubit whose bit changes between Gray codes `step` and `step + 1`."""
    if step == 2**n_controls - 1:
        return 0
    changed_bit = ((step + 1) & -(step + 1)).bit_length() - 1
    return n_controls - 1 - changed_bit


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


ENCODINGS: Mapping[str, Callable[..., UnifiedCircuit]] = {
    "angle": angle_encoding,
    "amplitude": amplitude_encoding,
    "basis": basis_encoding,
}
"""The encoding builders by name; each takes `n_qubits` and the keyword `name`."""


def get_encoding(name: str) -> Callable[..., UnifiedCircuit]:
    """Looks an encoding builder up by name.

    Raises:
        ConfigurationError: if there is none of that name.

    >>> get_encoding("angle")(2).n_parameters
    2
    """
    return named(ENCODINGS, name, "encoding")
