"""Settles up axes where the rule by which they are found has no direction to go.

Axes that differ for most values may coincide for some, as at angles of 0: what is perpendicular to
both is not determined then. Right beside such values it is, and by continuity there are up axes
near those that do what the pulses need at the values themselves. They are found by Gauss-Newton
steps on by how much that is missed, damped by its square (Yamashita and Fukushima, Computing
Supplement 15, 2001), which need no unique solution.
"""

from __future__ import annotations

import numpy as np

from qstore_tf.ionq.compiler.following import Differences, Steps
from qstore_tf.ionq.compiler.formulas import FloatArray
from qstore_tf.ionq.compiler.turning import Complex, Turned

_MOST_STEPS = 40
# What is missed by less is rounding.
_GOOD = 1e-12


def settle(steps: Steps, wire: int, turned: Turned, azimuths: Complex) -> Complex:
    """Returns azimuths of one wire's up axes, near those given, that miss least.

    Args:
        steps: The steps of all wires.
        wire: The wire.
        turned: The turns of all wires, for the samples in question.
        azimuths: exp(i azimuth) of this wire's up axes, [steps + 1, B].
    """
    best = azimuths
    least = np.full(azimuths.shape[1], np.inf)
    for _ in range(_MOST_STEPS):
        missed, slopes = _missed(steps, wire, turned, azimuths)
        size = (missed**2).sum(axis=1)
        better = size < least
        best = np.where(better, azimuths, best)
        least = np.where(better, size, least)
        if not (least > _GOOD**2).any():
            break
        turns = _solved(missed, slopes, size)
        azimuths = azimuths.copy()
        azimuths[1:-1] *= np.exp(-1j * turns.T)
    return best


def _missed(
    steps: Steps, wire: int, turned: Turned, azimuths: Complex
) -> tuple[FloatArray, FloatArray]:
    """Returns what is missed, [B, conditions], and its slopes by azimuth, [B, conditions, n]."""
    which = np.arange(steps.starts[wire], steps.starts[wire + 1])
    step = Differences(steps, turned, azimuths, which, int(steps.before[which[0]]))
    cd, sd, cb, sb = step.delta.real, step.delta.imag, step.beta.real, step.beta.imag
    cosine, sine = step.cosine, step.sine
    zero = np.zeros_like(cosine)
    # What is missed; its slopes by the azimuth before and by the one after.
    stays = (
        (cd * cosine - cb, -sd * cosine, sb),
        (sd - sb, cd, -cb),
        (cd * sine, -sd * sine, zero),
    )
    across = ((step.height(), cd * sb - sd * cosine * cb, sd * cb - cd * cosine * sb),)
    rows = []
    for place, pulses in enumerate(steps.pulses[which]):
        rows += [(place, row) for row in ((stays, across, ())[pulses])]
    n_batch, n = azimuths.shape[1], len(which)
    missed = np.empty((n_batch, len(rows)))
    slopes = np.zeros((n_batch, len(rows), n + 1))
    for number, (place, (value, before, after)) in enumerate(rows):
        missed[:, number] = value[place]
        slopes[:, number, place] = before[place]
        slopes[:, number, place + 1] = after[place]
    return missed, slopes[:, :, 1:-1]


def _solved(missed: FloatArray, slopes: FloatArray, damping: FloatArray) -> FloatArray:
    """Returns the least turns that make up for what is missed, damped, [B, n]."""
    transposed = slopes.transpose(0, 2, 1)
    square = transposed @ slopes
    n = square.shape[-1]
    square += (damping + 1e-13)[:, None, None] * np.eye(n)
    return np.asarray(np.linalg.solve(square, transposed @ missed[:, :, None])[:, :, 0])
