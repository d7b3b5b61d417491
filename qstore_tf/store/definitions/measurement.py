"""Measurements of items in their contexts, in closed form: the readable reference.

An item is the state `psi = sum_c sqrt(p_c) |c>|v_c>` of a context register and a data register.
A query is the test of one state of the data register, after a measurement of the contexts:

- of one context c: P(c, then the test is positive) = p_c F(q, v_c);
- of none, the context register is left aside: sum_c p_c F(q, v_c), a mixture;
- of the weighted sum of contexts, sum_c sqrt(w_c) |c>: |sum_c sqrt(w_c p_c) <q|v_c>|^2. Senses that
  agree reinforce each other, senses that oppose cancel.

All is float64 or complex128, on unit vectors as `encoding.Metric.encode` returns them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import ConfigurationError, InputError, describe
from qstore_tf.store.definitions.decoherence import decayed

Array = NDArray[Any]
Float = NDArray[np.float64]
Context = str | Mapping[str, float] | None

RANKINGS = ("score", "fidelity")
_MIX = "the contexts of a query"
SUM_TOLERANCE = 1e-6  # of weights, that people write as 0.333


def fidelity(query: ArrayLike, states: ArrayLike) -> Float:
    """F = |<q|v>|^2 of unit vectors, over the last axis.

    Example:
        >>> float(fidelity([1, 0], [0.6, 0.8]).round(2))
        0.36
    """
    return np.asarray(np.abs(np.sum(np.conj(query) * np.asarray(states), axis=-1)) ** 2)


def joint(weights: ArrayLike, fidelities: ArrayLike) -> Float:
    """P(context c, then a positive test) = p_c F_c, for each context [..., m]."""
    return np.asarray(np.asarray(weights, np.float64) * np.asarray(fidelities, np.float64))


def mixture(weights: ArrayLike, fidelities: ArrayLike) -> Float:
    """P(positive test) with the contexts left aside: sum_c p_c F_c, [..., m] -> [...].

    Example:
        >>> float(mixture([0.5, 0.5], [1.0, 0.0]))
        0.5
    """
    return np.asarray(joint(weights, fidelities).sum(axis=-1))


def coherent(mix: ArrayLike, weights: ArrayLike, amplitudes: ArrayLike) -> Float:
    """P(the contexts are in sum_c sqrt(w_c)|c>, then a positive test), [..., m] -> [...].

    Args:
        mix: w_c, which sum to 1.
        weights: p_c of the item.
        amplitudes: <q|v_c>, real or complex.

    Returns:
        |sum_c sqrt(w_c p_c) <q|v_c>|^2.

    Example:
        >>> float(coherent([0.5, 0.5], [0.5, 0.5], [1.0, -1.0]))  # two senses that cancel
        0.0
    """
    factors = np.sqrt(np.asarray(mix, np.float64) * np.asarray(weights, np.float64))
    return np.asarray(np.abs(np.sum(factors * np.asarray(amplitudes), axis=-1)) ** 2)


def lueders(weights: ArrayLike, fidelities: ArrayLike) -> Float:
    """The weights after a positive test: p_c F_c / sum_c p_c F_c, which is Bayes' rule.

    Args:
        weights: p_c [..., m].
        fidelities: F_c of the test; 1 - F_c for a negative one.

    Returns:
        The new weights [..., m].

    Raises:
        InputError: The test could not have this outcome: all products are 0.

    Example:
        >>> lueders([0.5, 0.5], [0.9, 0.3])
        array([0.75, 0.25])
    """
    products = joint(weights, fidelities)
    total = products.sum(axis=-1, keepdims=True)
    if not np.all(total > 0):
        raise InputError(
            describe(
                "The weights of contexts cannot follow a test whose outcome is impossible",
                expected="an outcome of a probability above 0",
                received=products.tolist(),
            )
        )
    return np.asarray(products / total)


def collapse(weights: ArrayLike, states: ArrayLike, context: int) -> tuple[float, Array]:
    """Measures the context register: the chance of one context, and the state after it.

    Args:
        weights: p_c [m].
        states: Unit vectors v_c [m, d].
        context: Which context was found.

    Returns:
        p_c, and the data register's state v_c [d].
    """
    return float(np.asarray(weights)[context]), np.asarray(states)[context]


def project(basis: ArrayLike, vector: ArrayLike) -> tuple[float, Array]:
    """The context that a basis defines: the Born rule and the state after it.

    Of projections in a sequence each takes the state that the one before left; they need not
    commute, so that their order may matter.

    Args:
        basis: Orthonormal columns B [d, r].
        vector: v [d], of any length but 0.

    Returns:
        The weight |B^H v|^2 / |v|^2, and the vector B B^H v, made as long as v; zeros where the
        weight is 0.

    Raises:
        InputError: The columns are not orthonormal to 1e-6, or the vector does not fit.

    Example:
        >>> weight, seen = project([[1.0], [0.0]], [3.0, 4.0])
        >>> round(weight, 2), seen.tolist()
        (0.36, [5.0, 0.0])
    """
    columns, v = np.asarray(basis), np.asarray(vector)
    gram = np.conj(columns.T) @ columns if columns.ndim == 2 else np.zeros((0, 0))
    # Not-a-number is within no tolerance.
    if columns.ndim != 2 or not (
        np.abs(gram - np.eye(columns.shape[1])).max(initial=0) <= SUM_TOLERANCE
    ):
        raise InputError(
            describe(
                "The basis of a context is not orthonormal",
                expected="columns of unit length at right angles, [d, r]",
                received=f"shape {columns.shape}",
                hint="numpy.linalg.qr makes them so",
            )
        )
    length = float(np.linalg.norm(v)) if v.shape == columns.shape[:1] else 0.0
    if length == 0:
        raise InputError(
            describe(
                "A vector does not fit a context's basis",
                expected=f"{columns.shape[0]} coordinates, not all zero",
                received=f"shape {v.shape}",
            )
        )
    seen = columns @ (np.conj(columns.T) @ v)
    kept = float(np.linalg.norm(seen))
    return (kept / length) ** 2, seen * (length / kept) if kept > 0 else seen


def normalized(weights: ArrayLike, what: str) -> Float:
    """Weights that sum to 1 to 1e-6, made to sum to 1.

    Raises:
        InputError: A weight is below 0 or no number, or the sum is off.

    Example:
        >>> normalized([0.3333333, 0.6666666], "an item's contexts").sum().round(12)
        np.float64(1.0)
    """
    numbers = np.asarray(weights, np.float64)
    total = float(numbers.sum())
    if not np.all(numbers >= 0) or not abs(total - 1) <= SUM_TOLERANCE:
        raise InputError(
            describe(
                f"The weights of {what} are no probabilities",
                expected="numbers of at least 0 that sum to 1",
                received=numbers.tolist(),
            )
        )
    return np.asarray(numbers / total)


@dataclass(frozen=True)
class Outcome:
    """What a measurement of an item gives.

    Attributes:
        score: What items are ordered by, decay included.
        fidelity: F of the query and the state after the contexts were measured, before decay.
        probability: The chance of that outcome of the contexts.
    """

    score: float
    fidelity: float
    probability: float


def measure(
    names: Sequence[str],
    weights: ArrayLike,
    states: ArrayLike,
    query: ArrayLike,
    context: Context = None,
    *,
    rank_by: str = "score",
    eta: float = 1.0,
    data_qubits: int,
    context_qubits: int = 0,
) -> Outcome | None:
    """Measures one item: the definition that the index is tested against.

    Args:
        names: The names of the item's contexts; `[""]` for an item without.
        weights: p_c [m].
        states: Unit vectors v_c [m, d'].
        query: Unit vector [d'].
        context: A context, None for none, or weights of several that sum to 1.
        rank_by: "score", the joint probability, or "fidelity", that of the context's state alone;
            only for one context or none.
        eta: The item's coherence.
        data_qubits: n.
        context_qubits: a, of the namespace.

    Returns:
        The outcome; None where the item has no part in the contexts asked for.

    Raises:
        ConfigurationError: An unknown `rank_by`, or "fidelity" of several contexts.

    Example:
        >>> states = [[1.0, 0.0], [0.6, 0.8]]
        >>> measure(["a", "b"], [0.25, 0.75], states, [1.0, 0.0], "a", data_qubits=1)
        Outcome(score=0.25, fidelity=1.0, probability=0.25)
    """
    check_ranking(rank_by, context)
    p, v, q = np.asarray(weights, np.float64), np.asarray(states), np.asarray(query)
    data, full = 2.0**data_qubits, 2.0 ** (data_qubits + context_qubits)
    if context is None:
        found = float(mixture(p, fidelity(q, v)))
        return Outcome(float(decayed(found, eta, data)), found, 1.0)
    if isinstance(context, str):
        position = list(names).index(context) if context in names else -1
        if position < 0 or p[position] == 0:
            return None
        weight, state = collapse(p, v, position)
        found = float(fidelity(q, state))
        if rank_by == "fidelity":
            return Outcome(float(decayed(found, eta, data)), found, weight)
        return Outcome(float(decayed(weight * found, eta, full)), found, weight)
    shares = dict(zip(context, normalized(list(context.values()), _MIX), strict=True))
    mix = np.array([shares.get(name, 0.0) for name in names])
    if not np.any(mix * p > 0):
        return None
    score = float(coherent(mix, p, np.sum(np.conj(q) * v, axis=-1)))
    chance = float(np.linalg.norm(np.sqrt(mix * p) @ v) ** 2)
    return Outcome(
        float(decayed(score, eta, full)), min(score / chance, 1.0) if chance else 0.0, chance
    )


def check_ranking(rank_by: str, context: Context) -> None:
    """Raises ConfigurationError where items cannot be ranked so; InputError for bad weights."""
    if rank_by not in RANKINGS:
        raise ConfigurationError(
            describe(
                "Items cannot be ranked so", expected="'score' or 'fidelity'", received=rank_by
            )
        )
    if isinstance(context, Mapping):
        if rank_by != "score":
            raise ConfigurationError(
                describe(
                    "Several contexts at once have no fidelity of their own",
                    expected="rank_by='score', or one context",
                    received=dict(context),
                )
            )
        normalized(list(context.values()), _MIX)
