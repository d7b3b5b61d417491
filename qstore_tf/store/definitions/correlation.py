"""Correlated items as arrays: what their joint steps are, what follows, and measures of it.

Members' vectors take joint Gaussian steps w ~ N(0, s^2 R x I_d), with R_aa = 1 and R_ab the sum of
rho over the groups that a and b share. Some members O are seen to step by D_O; the others follow by
the conditional mean R_UO R_OO^-1 D_O. This is exactly what measuring positions does to the Gaussian
state with position covariance R and momentum covariance R^-1: for two members, a two-mode squeezed
vacuum of tanh(2 r) = rho. It is a classical message in a transaction, and nothing travels faster.

`writing.grouping` and `items.steps` do this in the database; `conditional_means` is the readable
reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from qstore_tf.errors import CorrelationError, InputError, describe

Array = NDArray[Any]
Float = NDArray[np.float64]
Groups = Mapping[str, tuple[float, Sequence[str]]]

MOST_KINDS = 1000
ROUNDING = 1e-9  # an eigenvalue above minus this counts as 0


def correlation_matrix(members: Sequence[str], groups: Groups) -> Float:
    """R [n, n] of some members.

    Args:
        members: Their names.
        groups: rho and the members, by the group's name.

    Example:
        >>> correlation_matrix(["a", "b", "c"], {"g": (0.5, ["a", "b"])}).tolist()
        [[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    inside = np.array([[m in set(names) for m in members] for _, names in groups.values()], float)
    rho = np.array([rho for rho, _ in groups.values()])
    if not len(rho):
        return np.eye(len(members))
    matrix: Float = (inside.T * rho) @ inside
    np.fill_diagonal(matrix, 1)
    return matrix


def check_groups(groups: Groups) -> None:
    """Raises CorrelationError unless some joint distribution has all these correlations.

    Members that are in the same groups are alike, so the matrix that is tested has a row for each
    kind of member: a group of 10,000 costs no more than one of 2.

    Args:
        groups: rho and the members, by the group's name: all groups that are connected.

    Raises:
        CorrelationError: A rho is no number from -1 to 1, or R has a negative eigenvalue; the
            message names the pair, or the members that disagree.

    Example:
        >>> check_groups({"g": (-0.5, ["a", "b", "c"])})
        >>> check_groups({"g": (-0.6, ["a", "b", "c"])})
        Traceback (most recent call last):
            ...
        qstore_tf.errors.CorrelationError: No joint distribution has the correlations of 'a' and \
'b', among 3 members. Expected: rho of at least -0.5 in a group of 3. Received: {'g': -0.6}.
    """
    for name, (rho, _) in groups.items():
        if isinstance(rho, bool) or not isinstance(rho, (int, float)) or not -1 <= rho <= 1:
            raise CorrelationError(
                describe(
                    f"The correlation of group {name!r} is out of range",
                    expected="a number from -1 to 1",
                    received=rho,
                )
            )
    in_groups: dict[str, list[str]] = {}
    for name, (_, members) in groups.items():
        for member in members:
            in_groups.setdefault(member, []).append(name)
    kinds: dict[tuple[str, ...], list[str]] = {}
    for member, names in in_groups.items():
        kinds.setdefault(tuple(sorted(names)), []).append(member)
    _check_kinds(kinds, {name: float(rho) for name, (rho, _) in groups.items()})


def _check_kinds(kinds: dict[tuple[str, ...], list[str]], rho: dict[str, float]) -> None:
    """A kind is a set of groups, with the members that are in exactly these."""
    names, members = list(kinds), list(kinds.values())
    if len(names) > MOST_KINDS:
        raise CorrelationError(
            describe(
                "Groups overlap in too many ways",
                expected=f"at most {MOST_KINDS} sets of groups that some member is in",
                received=len(names),
            )
        )
    sizes = np.array([len(each) for each in members], float)
    among = np.array(
        [[sum(rho[g] for g in set(one) & set(other)) for other in names] for one in names]
    ).reshape(len(names), len(names))
    # What two of a kind do in opposite directions: eigenvalue 1 - R_ab, once for each further one.
    for kind, within in enumerate(np.diagonal(among)):
        if sizes[kind] > 1 and within > 1 + ROUNDING:
            _refuse(members[kind][:2], kinds, rho)
    if not len(names):
        return
    # What all of a kind do together: one row for each kind.
    reduced = among * np.sqrt(np.outer(sizes, sizes))
    reduced[np.diag_indices(len(names))] = 1 + (sizes - 1) * np.diagonal(among)
    values, vectors = np.linalg.eigh(reduced)
    if values[0] >= -ROUNDING * max(1.0, values[-1]):
        return
    worst = np.argsort(-np.abs(vectors[:, 0]), kind="stable")[:2]
    one = members[worst[0]]
    alone = sizes[worst[0]] > 1 and (len(worst) < 2 or abs(vectors[worst[1], 0]) < 1e-6)
    _refuse(one[:2] if alone else [one[0], members[worst[1]][0]], kinds, rho)


def _refuse(
    pair: Sequence[str], kinds: dict[tuple[str, ...], list[str]], rho: dict[str, float]
) -> None:
    count = sum(len(members) for members in kinds.values())
    among = f", among {count} members" if count > 2 else ""
    if len(rho) == 1:
        expected = f"rho of at least {-1 / (count - 1):.6g} in a group of {count}"
    else:
        expected = "a matrix of correlations without negative eigenvalues"
    raise CorrelationError(
        describe(
            f"No joint distribution has the correlations of {pair[0]!r} and {pair[1]!r}{among}",
            expected=expected,
            received=rho,
        )
    )


def conditional_means(matrix: ArrayLike, seen: Sequence[int], steps: ArrayLike) -> Array:
    """How all members move when some are seen to step: the definition, in O(members d).

    Args:
        matrix: R [n, n].
        seen: Which members stepped [o].
        steps: By how much [o, d].

    Returns:
        The moves of all [n, d]: those that were seen, and the conditional means of the others.

    Example:
        >>> conditional_means([[1, 0.5], [0.5, 1]], [0], [[2.0]]).tolist()
        [[2.0], [1.0]]
    """
    r, moved = np.asarray(matrix, np.float64), np.asarray(steps)
    moves: Array = r[:, seen] @ shares(r[np.ix_(seen, seen)], moved)
    moves[list(seen)] = moved
    return moves


def shares(matrix: ArrayLike, steps: ArrayLike) -> Array:
    """alpha = R_OO^-1 D_O [o, d]: what each step adds to the accumulators of its member's groups.

    Where R_OO is singular, as for rho = 1, the shares of least norm whose errors are least.
    """
    found: Array = np.linalg.lstsq(np.asarray(matrix, np.float64), np.asarray(steps), rcond=None)[0]
    return found


def shares_in_groups(rho: ArrayLike, inside: ArrayLike, steps: ArrayLike, few: int = 32) -> Array:
    """What `shares` returns, for an R that groups make: in O(o d), and O(k^3) for k kinds.

    Members that are in the same groups are of one kind, and alike in R. Of a kind, what each does
    apart from the mean sees the eigenvalue 1 - R_ab alone; what all do together is one row of a
    small matrix. For a single group this is (1 - rho) 1 + rho 11^T, inverted by Sherman and
    Morrison's formula.

    Args:
        rho: Of each group [g].
        inside: 1 where a member is in a group, else 0 [g, o].
        steps: By how much each member stepped [o, d].
        few: Up to how many members the whole matrix is made: for a handful that is quicker.

    Returns:
        alpha [o, d].

    Example:
        >>> shares_in_groups([0.5], [[1, 1]], [[3.0], [0.0]], few=0).round(9).tolist()
        [[4.0], [-2.0]]
        >>> shares([[1, 0.5], [0.5, 1]], [[3.0], [0.0]]).round(9).tolist()
        [[4.0], [-2.0]]
    """
    moved, incidence = np.asarray(steps), np.asarray(inside, np.float64)
    if len(moved) <= few:
        matrix = (incidence.T * np.asarray(rho, np.float64)) @ incidence
        np.fill_diagonal(matrix, 1.0)
        return shares(matrix, moved)
    kinds, kind, sizes = np.unique(incidence, axis=1, return_inverse=True, return_counts=True)
    kind = kind.reshape(-1)  # some releases of NumPy return it [1, o]
    among = (kinds.T * np.asarray(rho, np.float64)) @ kinds
    apart = 1 - np.diagonal(among)
    together = among * np.sqrt(np.outer(sizes, sizes))
    together[np.diag_indices(len(sizes))] = 1 + (sizes - 1) * np.diagonal(among)
    values, vectors = np.linalg.eigh(together)
    # As `shares` does: what is 0 but for rounding counts as 0.
    least = np.finfo(np.float64).eps * len(moved) * max(np.abs(values).max(), np.abs(apart).max())
    sums = np.add.reduceat(moved[np.argsort(kind, kind="stable")], np.cumsum(sizes) - sizes)
    root = np.sqrt(sizes)[:, None]
    mean = vectors @ (_inverse(values, least)[:, None] * (vectors.T @ (sums / root))) / root
    # One alone has nothing that is its own.
    alone = np.where(sizes > 1, _inverse(apart, least), 0.0)
    found: Array = (moved - (sums / sizes[:, None])[kind]) * alone[kind, None] + mean[kind]
    return found


def _inverse(values: Float, least: float) -> Float:
    """1 / values, 0 for those that are no more than `least`."""
    is_zero = np.abs(values) <= least
    return np.where(is_zero, 0.0, 1 / np.where(is_zero, 1.0, values))


def unexplained(matrix: ArrayLike, seen: Sequence[int], steps: ArrayLike) -> Float:
    """The variance per coordinate that a joint step leaves open in each member: its staleness.

    The size of the steps, s^2, is estimated from those that were seen. For one that stepped by D
    and a partner this is (1 - rho^2) |D|^2 / d.

    Args:
        matrix: R [n, n].
        seen: Which members stepped [o].
        steps: By how much [o, d].

    Returns:
        [n], 0 for those that were seen.

    Example:
        >>> unexplained([[1, 0.6], [0.6, 1]], [0], [[2.0, 0.0]]).round(6).tolist()
        [0.0, 1.28]
    """
    r, moved = np.asarray(matrix, np.float64), np.asarray(steps)
    within, across = r[np.ix_(seen, seen)], r[:, seen]
    variance = np.real(np.sum(np.conj(moved) * shares(within, moved))) / moved.size
    left = 1 - np.einsum("no,on->n", across, shares(within, across.T))
    left[list(seen)] = 0
    return np.asarray(np.maximum(left, 0) * max(variance, 0.0))


# What a correlation amounts to.


def mutual_information(rho: float) -> float:
    """Bits that one coordinate of a tells of the same one of b: -log2(1 - rho^2) / 2.

    Example:
        >>> round(mutual_information(0.85), 3)
        0.925
    """
    return math.inf if abs(rho) >= 1 else -math.log2(1 - rho**2) / 2


def symplectic_value(matrix: ArrayLike, member: int) -> float:
    """nu = sqrt(R_aa (R^-1)_aa) of one member's mode in the pure Gaussian state of all.

    Example:
        >>> round(symplectic_value([[1, 0.6], [0.6, 1]], 0), 6)
        1.25
    """
    r = np.asarray(matrix, np.float64)
    rest = [i for i in range(len(r)) if i != member]
    across = r[member, rest]
    left = r[member, member] - across @ shares(r[np.ix_(rest, rest)], across[:, None])[:, 0]
    return math.inf if left <= ROUNDING else math.sqrt(r[member, member] / left)


def entanglement_entropy(nu: float) -> float:
    """Bits of entanglement of a mode of symplectic value nu with all others, per coordinate.

    g(nu) = (nu + 1)/2 log2((nu + 1)/2) - (nu - 1)/2 log2((nu - 1)/2); for a pair,
    nu = 1 / sqrt(1 - rho^2).

    Example:
        >>> round(entanglement_entropy(1 / (1 - 0.85**2) ** 0.5), 3)
        1.294
    """
    if math.isinf(nu):
        return math.inf
    above, below = (nu + 1) / 2, max(nu - 1, 0.0) / 2
    return above * math.log2(above) - (below * math.log2(below) if below > 0 else 0.0)


def log_negativity(rho: float) -> float:
    """Logarithmic negativity of a pair in bits: artanh |rho| / ln 2, which is 2 r / ln 2.

    Example:
        >>> round(log_negativity(0.85), 3)
        1.812
    """
    return math.inf if abs(rho) >= 1 else math.atanh(abs(rho)) / math.log(2)


@dataclass(frozen=True)
class Measured:
    """A correlation that was measured from joint updates.

    Attributes:
        rho: The estimate, NaN where there is none.
        low: The lower bound of the confidence interval.
        high: The upper bound.
        count: From how many joint updates.
    """

    rho: float
    low: float
    high: float
    count: int


def measured(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Measured:
    """Measures the correlation of two items' steps.

    The steps have mean 0 in the model, so nothing is subtracted. The interval comes from leaving
    out one update at a time, on the scale artanh(rho): coordinates of one update need not be
    independent for it.

    Args:
        first: Steps of one item [n, d].
        second: Steps of the other in the same updates [n, d].
        confidence: Of the interval.

    Returns:
        The estimate; the interval is [-1, 1] for fewer than three updates.

    Raises:
        InputError: The steps do not go together.

    Example:
        >>> steps = np.random.default_rng(0).normal(size=(50, 8))
        >>> found = measured(steps, 2 * steps)
        >>> round(found.rho, 9), found.count
        (1.0, 50)
    """
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape or a.ndim != 2 or not 0 < confidence < 1:
        raise InputError(
            describe(
                "Steps of two items do not go together",
                expected="two arrays [n, d], and a confidence between 0 and 1",
                received=(a.shape, b.shape, confidence),
            )
        )
    products = np.stack(
        [np.real(np.sum(np.conj(x) * y, axis=1)) for x, y in ((a, b), (a, a), (b, b))]
    )
    whole = _correlation(products.sum(axis=1))
    if len(a) < 3 or math.isnan(whole):
        return Measured(whole, -1.0, 1.0, len(a))
    without = _correlation(products.sum(axis=1)[:, None] - products)
    z, parts = _artanh(whole), _artanh(without)
    if np.isnan(parts).any():  # one update is all that there is
        return Measured(whole, -1.0, 1.0, len(a))
    spread = math.sqrt((len(a) - 1) / len(a) * float(np.sum((parts - parts.mean()) ** 2)))
    reach = float(stats.t.ppf((1 + confidence) / 2, len(a) - 1)) * spread
    return Measured(whole, math.tanh(z - reach), math.tanh(z + reach), len(a))


def _correlation(products: Array) -> Any:
    scale = np.sqrt(np.maximum(products[1] * products[2], 0))
    nothing = np.full(np.shape(scale), np.nan)
    found = np.divide(products[0], scale, out=nothing, where=scale > 0)
    return float(found) if np.ndim(found) == 0 else found


def _artanh(rho: Any) -> Any:
    limit = 1 - 1e-12
    return np.arctanh(np.clip(rho, -limit, limit))


@dataclass(frozen=True)
class Correlation:
    """What is known of the correlation of two items; `float()` of it is the declared rho.

    Attributes:
        declared: The sum of rho over the groups that both are in; 0 where there is none.
        measured: What their joint updates say.
        mutual_information: In bits per coordinate, of the declared rho, as all below.
        entanglement_entropy: Of the pair's Gaussian state.
        log_negativity: Likewise.
    """

    declared: float
    measured: Measured
    mutual_information: float
    entanglement_entropy: float
    log_negativity: float

    def __float__(self) -> float:
        return self.declared


def describe_pair(declared: float, found: Measured) -> Correlation:
    """All measures of a pair.

    Args:
        declared: The declared rho.
        found: What was measured.

    Example:
        >>> pair = describe_pair(0.85, measured(np.zeros((0, 2)), np.zeros((0, 2))))
        >>> float(pair), round(pair.entanglement_entropy, 3)
        (0.85, 1.294)
    """
    nu = math.inf if abs(declared) >= 1 else 1 / math.sqrt(1 - declared**2)
    return Correlation(
        declared,
        found,
        mutual_information(declared),
        entanglement_entropy(nu),
        log_negativity(declared),
    )
