"""The states that angles prepare and their exact derivatives, in one sweep through the layers.

The sweep carries the state and the derivatives found so far as the columns of one matrix: a layer
acts on all of them by one matrix product, then adds the derivatives by its own angles. All
rotations are half-angle: RY(t) = exp(-i t Y / 2), which is real, and so for RZ and RZZ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.ionq.encoder.pattern import Pattern

Floats = NDArray[np.float64]
Vectors = NDArray[Any]  # float64 or complex128, as the pattern is


@dataclass(frozen=True)
class _LayerTable:
    """What a layer does to amplitudes, in arrays with one row per amplitude.

    Attributes:
        zz: Half the eigenvalues of ZZ for each pair of an RZZ, [2^n, pairs].
        flips: Index of the amplitude that each RY mixes in, [2^n, RYs].
        halves: Factor of that amplitude in the derivative of each RY, [2^n, RYs].
        z: Half the eigenvalues of Z for each RZ, [2^n, RZs].
    """

    zz: Floats
    flips: NDArray[np.intp]
    halves: Floats
    z: Floats


@dataclass(frozen=True)
class _Tables:
    """A pattern in arrays.

    Attributes:
        layers: One table per layer.
        slots: Column of the angle of each RY, [layers, n]; columns P and P + 1 hold the constants
            0 and pi/2.
        signs: The signs of the CZ gates of each layer, [layers, 2^n].
    """

    layers: tuple[_LayerTable, ...]
    slots: NDArray[np.intp]
    signs: Floats


def states_and_derivatives(pattern: Pattern, angles: Floats) -> tuple[Vectors, Vectors]:
    """Returns the states that angles prepare, and the derivatives of these by the angles.

    Args:
        pattern: The gates.
        angles: [B, P] in radians, in the order of the symbols of `pattern.circuit()`.

    Returns:
        States [B, 2^n] and derivatives [B, 2^n, P], complex if the pattern is.

    Example:
        >>> state, derivatives = states_and_derivatives(Pattern(1), np.array([[np.pi / 2]]))
        >>> state.round(4).tolist(), derivatives.round(4).tolist()
        ([[0.7071, 0.7071]], [[[-0.3536], [0.3536]]])
    """
    tables = _tables(pattern)
    rotations = _rotations(tables, angles)
    batch, n_angles = angles.shape
    dtype = np.complex128 if pattern.is_complex else np.float64
    columns: Vectors = np.zeros((batch, pattern.size, 1 + n_angles), dtype)
    columns[:, 0, 0] = 1.0
    # A rotation is real: as floats, real and imaginary parts are columns of their own to it.
    floats = columns.view(np.float64)
    width = floats.shape[2] // columns.shape[2]
    found = 1
    for number, layer in enumerate(tables.layers):
        found = _turn(columns, found, angles, layer.zz)
        part = floats[:, :, : width * found]
        part[...] = rotations[:, number] @ part
        new = columns[:, :, 0][:, layer.flips] * layer.halves
        columns[:, :, found : found + new.shape[2]] = new
        found = _turn(columns, found + new.shape[2], angles, layer.z)
    return columns[:, :, 0], columns[:, :, 1:]


def _turn(columns: Vectors, found: int, angles: Floats, halves: Floats) -> int:
    """Applies rotations that are diagonal to the columns found so far, and adds their own."""
    count = int(halves.shape[1])
    if count:
        phases = np.exp(-1j * (angles[:, None, found - 1 : found - 1 + count] * halves).sum(2))
        columns[:, :, :found] *= phases[:, :, None]
        columns[:, :, found : found + count] = columns[:, :, :1] * (-1j * halves)
    return found + count


def _rotations(tables: _Tables, angles: Floats) -> Floats:
    """The matrices of all CZ and RY gates of each layer, [B, layers, 2^n, 2^n]."""
    constants = np.broadcast_to([0.0, math.pi / 2], (len(angles), 2))
    half = np.concatenate([angles, constants], axis=1)[:, tables.slots] / 2
    cos, sin = np.cos(half), np.sin(half)
    single = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    product = single[:, :, 0]
    for qubit in range(1, single.shape[2]):
        size = 2 * product.shape[-1]
        factor = single[:, :, qubit, None, :, None, :]
        product = (product[..., :, None, :, None] * factor).reshape(*half.shape[:2], size, size)
    product *= tables.signs[:, None, :]
    return product


@lru_cache(maxsize=32)
def _tables(pattern: Pattern) -> _Tables:
    n_qubits, n_angles = pattern.n_qubits, pattern.n_angles
    places = np.arange(pattern.size)
    shifts = n_qubits - 1 - np.arange(n_qubits)
    z = 1.0 - 2.0 * (places[:, None] >> shifts & 1)
    flips = places[:, None] ^ (1 << shifts)
    slots = np.full((len(pattern.layers), n_qubits), n_angles, np.intp)
    signs = np.ones((len(pattern.layers), pattern.size))
    layers = []
    for number, layer in enumerate(pattern.layers):
        first, second = (z[:, [pair[i] for pair in layer.pairs]] for i in (0, 1))
        ry, rz = list(layer.ry), list(layer.rz)
        if not layer.zz:
            signs[number] = np.where((first < 0) & (second < 0), -1.0, 1.0).prod(axis=1)
        zz = first * second if layer.zz else z[:, :0]
        slots[number, list(layer.fixed)] = n_angles + 1
        slots[number, ry] = layer.ry_angles
        layers.append(_LayerTable(zz / 2, flips[:, ry], -z[:, ry] / 2, z[:, rz] / 2))
    return _Tables(tuple(layers), slots, signs)
