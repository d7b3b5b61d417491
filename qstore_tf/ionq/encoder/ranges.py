"""Angles of the same states in the ranges that a device takes.

A rotation by t + 2 pi is one by t but for the sign. An RZZ by more than a quarter turn, or by a
negative angle, is one between 0 and pi/2 with Pauli gates around it: RZZ(t + pi) = -i Z Z RZZ(t)
and RZZ(-t) = X RZZ(t) X with X on one qubit. The rotations next to it take these up, so that the
circuit stays the same.
"""

from __future__ import annotations

import numpy as np

from qstore_tf.ionq.encoder.pattern import Layer, Pattern
from qstore_tf.ionq.encoder.sweep import Floats


def in_range(pattern: Pattern, angles: Floats) -> Floats:
    """Returns angles of the same states up to a global phase.

    Args:
        pattern: The gates.
        angles: [B, P] in radians.

    Returns:
        [B, P], those of RZZ in [0, pi/2], the others in [-pi, pi].

    Example:
        >>> in_range(Pattern(1), np.array([[6.0]])).round(4).tolist()
        [[-0.2832]]
    """
    out = angles.copy()
    if pattern.is_complex:
        last = [pattern.layers[0]] * pattern.n_qubits  # what turned each qubit last
        for layer in pattern.layers[1:]:
            for number, pair in enumerate(layer.pairs):
                _fold(out, layer, number, last[pair[1]])
            for qubit in layer.ry:
                last[qubit] = layer
        entangling = [i for layer in pattern.layers for i in layer.zz_angles]
        kept = out[:, entangling]
    out = np.asarray(np.remainder(out + np.pi, 2 * np.pi) - np.pi)
    if pattern.is_complex:
        out[:, entangling] = kept
    return out


def _fold(angles: Floats, layer: Layer, number: int, before: Layer) -> None:
    """Brings one RZZ into its range; the X around it are on the pair's second qubit."""
    first, second = layer.pairs[number]
    column = layer.zz_angles[number]
    halves = np.round(angles[:, column] / np.pi)
    odd = halves % 2 == 1
    angles[:, column] -= np.pi * halves
    negative = angles[:, column] < 0
    angles[:, column] = np.abs(angles[:, column])
    if second in before.ry:
        # X RZ(c) RY(b) = RZ(pi - c) RY(b + pi). In the first layer RY(pi/2) may go before
        # instead, without an RZ: the state is |+>, which X leaves alone.
        ry, rz = _rotations(before, second)
        angles[negative, ry] += np.pi
        angles[negative, rz] = np.pi - angles[negative, rz]
    # RZ(c) RY(b) X = RZ(c + pi) RY(-b - pi), and RZ(c) RY(b) Z = RZ(c + pi) RY(-b).
    ry, rz = _rotations(layer, second)
    angles[negative, ry] = -angles[negative, ry] - np.pi
    angles[negative, rz] += np.pi
    for qubit in (first, second):
        ry, rz = _rotations(layer, qubit)
        angles[odd, ry] *= -1.0
        angles[odd, rz] += np.pi


def _rotations(layer: Layer, qubit: int) -> tuple[int, int]:
    """Numbers of the angles of RY and RZ on a qubit."""
    return (
        layer.ry_angles[layer.ry.index(qubit)],
        layer.rz_angles[layer.rz.index(qubit)],
    )
