"""How many shots find the best ten of a hundred candidates: races beside the same for all.

    python benchmarks/store_shots.py
    python benchmarks/store_shots.py --queries 100     # quicker, rougher

The candidates are the hundred nearest of a query, by the fidelity of encoded vectors, as a database
hands them to circuits for re-ranking: images of handwritten digits (scikit-learn's, 64 pixels), and
vectors in clusters. Shots are drawn from the fidelities; that circuits give the same is what the
tests hold. A query is wrong where some member is worse than the tenth best by more than the margin.
Uniform shots at the same share of wrong queries are found on a grid, interpolated in the logarithm.
Goal: races spend at most 0.65 of them at a margin of 0.02.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine
from qstore_tf.store.circuits import racing
from qstore_tf.store.definitions.encoding import METRICS
from qstore_tf.store.definitions.measurement import fidelity

Floats = NDArray[np.float64]

POOL, K, GOAL = 100, 10, 0.65
GRID = np.unique(np.geomspace(100, 20_000, 40).astype(int))
MARGINS = (0.02, 0.05)
WIDTHS = (1.5, racing.Z)


@dataclass(frozen=True)
class Spent:
    """What a way to spend shots came to, per query.

    Attributes:
        shots: The mean.
        wrong: The share of wrong queries.
        rounds: The mean number of submissions.
    """

    shots: float
    wrong: float
    rounds: float


def main() -> int:
    """Prints the table; returns 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description="Compare ways to spend shots.")
    parser.add_argument("--queries", type=int, default=600)
    count = parser.parse_args().queries
    print(machine.headline())
    missed = 0
    for name, pools in (("digits", digits(count)), ("clusters", clusters(count))):
        for eps in MARGINS:
            even = [spend(pools, eps, uniform(eps, shots), seed=shots) for shots in GRID.tolist()]
            for z in WIDTHS:
                found = spend(pools, eps, race(eps, z), seed=1)
                same = at_error(even, found.wrong, count)
                ratio = found.shots / same
                text = f"{name}, eps {eps}, races with z = {z}: {describe(found)}"
                print(f"{text}; uniform shots for that: {same:,.0f}; ratio {ratio:.2f}")
                missed += eps == 0.02 and ratio > GOAL
        sure = spend(pools[: max(1, count // 10)], 0.02, kl_lucb(0.02), seed=2)
        print(f"{name}, eps 0.02, kl-lucb with its guarantee of 5 %: {describe(sure)}")
    print(f"goal: at most {GOAL} at eps 0.02: {'missed' if missed else 'met'}")
    return int(missed > 0)


def digits(count: int) -> list[Floats]:
    """Pools of images: the fidelities [POOL] of each query's nearest, best first."""
    rng = np.random.default_rng(0)
    images = load_digits().data
    queries = rng.choice(len(images), count, replace=count > len(images))
    states = METRICS["cosine"].encode(images)
    # A query is an image with noise, so that it is not among its own candidates.
    asked = METRICS["cosine"].encode_query(images[queries] + rng.normal(size=(count, 64)) * 4)
    return [nearest(states, query) for query in asked]


def clusters(count: int) -> list[Floats]:
    """Pools of 5,000 vectors of 64 dimensions in 30 clusters."""
    rng = np.random.default_rng(1)
    middles = rng.normal(size=(30, 64))

    def some(number: int) -> Floats:
        return middles[rng.integers(30, size=number)] + 0.9 * rng.normal(size=(number, 64))

    states = METRICS["cosine"].encode(some(5000))
    return [nearest(states, query) for query in METRICS["cosine"].encode_query(some(count))]


def nearest(states: Floats, query: Floats) -> Floats:
    """The fidelities of the POOL nearest, best first."""
    return np.sort(fidelity(query, states))[::-1][:POOL]


def uniform(eps: float, shots: int) -> Callable[[racing.Sampler], racing.Selection]:
    """The same shots for all."""
    return lambda sampler: racing.uniform(sampler, POOL, K, shots, eps=eps)


def race(eps: float, z: float) -> Callable[[racing.Sampler], racing.Selection]:
    """Shots where they decide."""
    return lambda sampler: racing.race(sampler, POOL, K, eps=eps, z=z)


def kl_lucb(eps: float) -> Callable[[racing.Sampler], racing.Selection]:
    """With a guarantee."""
    return lambda sampler: racing.kl_lucb(sampler, POOL, K, eps=eps)


def spend(
    pools: list[Floats],
    eps: float,
    method: Callable[[racing.Sampler], racing.Selection],
    seed: int,
) -> Spent:
    """Runs one way on all queries."""
    shots, wrong, rounds = [], [], []
    for number, pool in enumerate(pools):
        rng = np.random.default_rng([seed, number])
        order = rng.permutation(POOL)  # so that equal estimates do not come in the true order
        chances = pool[order]

        def sampler(arms: NDArray[np.int64], count: int, chances=chances, rng=rng) -> Floats:
            return rng.binomial(count, np.clip(chances[arms], 0, 1)).astype(float)

        found = method(sampler)
        shots.append(float(found.shots.sum()))
        rounds.append(found.rounds)
        wrong.append(bool((chances[found.order] < pool[K - 1] - eps).any()))
    return Spent(float(np.mean(shots)), float(np.mean(wrong)), float(np.mean(rounds)))


def at_error(even: list[Spent], wrong: float, count: int) -> float:
    """The uniform shots at which no more queries are wrong."""
    # Half a query where there was none: an error that is not seen is not known to be 0.
    floor = 0.5 / count
    errors = np.log(np.maximum([each.wrong for each in even], floor))
    shots, wanted = np.log([each.shots for each in even]), np.log(max(wrong, floor))
    last = int(np.argmax(errors <= wanted))
    if last == 0:
        return float(np.exp(shots[0]))
    part = (errors[last - 1] - wanted) / (errors[last - 1] - errors[last])
    return float(np.exp(shots[last - 1] + part * (shots[last] - shots[last - 1])))


def describe(found: Spent) -> str:
    """One row."""
    return f"{found.shots:,.0f} shots in {found.rounds:.1f} submissions, {found.wrong:.1%} wrong"


if __name__ == "__main__":
    sys.exit(main())
