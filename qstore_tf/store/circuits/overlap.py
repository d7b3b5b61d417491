"""Fidelities of one query and many items, measured by circuits on a backend.

All items of a question have one shape, so all of them are rows of one batch of one program: each
round of shots is one submission. Where the backend tells probabilities and no shots are asked for,
fidelities are exact. Decay is applied to what was measured, `eta F + (1 - eta) / D`: the circuits
run without it.

What runs elsewhere may cost money. `estimate` says how much at most, and sends nothing. `select`
asks a budget for all rounds that may come before it sends the first one.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.checks import check_shots
from qstore_tf.errors import (
    BudgetExceededError,
    ConfigurationError,
    PriceError,
    describe,
    did_you_mean,
)
from qstore_tf.ionq.money.amounts import Money, plain
from qstore_tf.ionq.money.estimating import Estimate
from qstore_tf.store.circuits import racing, running
from qstore_tf.store.circuits.overlap_circuits import OverlapTest
from qstore_tf.store.circuits.preparing import width_of

Floats = NDArray[np.float64]

ALLOCATIONS = ("racing", "kl-lucb", "uniform")
_SHOTS = 1000


@dataclass(frozen=True, eq=False)
class Question:
    """What is measured: a test, and the angles of B pairs of an item and a query.

    Attributes:
        test: The circuit.
        inputs: [B, F], radians.
    """

    test: OverlapTest
    inputs: Floats

    def __len__(self) -> int:
        """B, the number of circuits."""
        return len(self.inputs)


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Measured fidelities, of what the question asks for: F, p_c F, or the coherent one.

    Attributes:
        values: [B], in [0, 1]; a swap test's estimate may fall below 0 by chance.
        standard_errors: [B]; 0 for exact ones. At least what two more shots, one of each outcome,
            would leave: a fidelity of which no shot came is not known to be 0.
        shots: Of each circuit; 0 for exact ones.
    """

    values: Floats
    standard_errors: Floats
    shots: int


def ask(
    items: ArrayLike,
    queries: ArrayLike,
    *,
    method: str = "inversion",
    n_context: int = 0,
    context: int | None = None,
    coherent: bool = False,
) -> Question:
    """Prepares a question.

    Args:
        items: Unit amplitudes [B, 2^(a + n)], context qubits first; narrower rows are filled up
            with zeros, so without contexts [B, d'] will do.
        queries: Unit amplitudes [d'], or [B, d'], one for each item; over context and data qubits
            where `coherent`.
        method: "inversion", "swap" or "destructive_swap".
        n_context: a, the number of context qubits.
        context: The number of the context asked for: p_c F is measured. None: the mixture.
        coherent: Whether the query is a superposition of contexts, see `preparing.superposed`.

    Raises:
        ConfigurationError: The test makes no sense.
        InputError: Amplitudes do not fit it.

    Example:
        >>> measure(ask([[0.6, 0.8], [1.0, 0.0]], [1.0, 0.0])).values.round(6)
        array([0.36, 1.  ])
    """
    wide, asked = np.atleast_2d(np.asarray(items)), np.atleast_2d(np.asarray(queries))
    width = max(wide.shape[-1], 2 ** (n_context + 1), asked.shape[-1] if coherent else 0)
    n_item = width_of(width).bit_length() - 1
    test = OverlapTest(
        method,
        n_item - n_context,
        n_context,
        context,
        coherent,
        is_complex=np.iscomplexobj(wide) or np.iscomplexobj(asked),
    )
    return Question(test, test.inputs(asked, wide))


def measure(
    question: Question, backend: Any = None, shots: int | None = None, seed: int = 0
) -> Overlaps:
    """Measures all pairs, in one submission.

    Args:
        question: From `ask`.
        backend: Of `qstore_tf.backends`; None: the reference simulator.
        shots: Of each circuit. None: exact where the backend can, else the backend's own number.
        seed: From which simulators draw.

    Raises:
        ConfigurationError: The backend cannot run the circuits, or needs a number of shots.
        BudgetExceededError: The backend's budget cannot pay for it; nothing was sent.
    """
    test = question.test
    runner = running.usable(backend, test.program)
    if not len(question):
        return Overlaps(np.zeros(0), np.zeros(0), shots or 0)
    if shots is None and running.is_exact(runner):
        exact = running.exact_means(runner, test.program, question.inputs, test.values)
        return Overlaps(exact, np.zeros_like(exact), 0)
    given = check_shots(shots if shots is not None else getattr(runner, "shots", None) or _SHOTS)
    _check_budget(question, runner, [(len(question), given)])
    sums, squares = running.drawn_sums(
        runner, test.program, question.inputs, test.values, given, (seed, 0)
    )
    mean = (sums + test.low + 1) / (given + 2)
    square = (squares + test.low**2 + 1) / (given + 2)
    errors = np.sqrt(np.maximum(square - mean**2, 0) / given)
    return Overlaps(sums / given, errors, given)


def select(
    question: Question,
    k: int,
    backend: Any = None,
    *,
    allocation: str = "racing",
    shots: int | None = None,
    eps: float = racing.EPS,
    eta: ArrayLike = 1.0,
    weights: ArrayLike = 1.0,
    dimension: float | None = None,
    seed: int = 0,
    **options: Any,
) -> racing.Selection:
    """Finds the k items of the highest decayed scores by shots; budget first.

    Args:
        question: From `ask`, with one query for all items.
        k: How many are wanted.
        backend: Of `qstore_tf.backends`; None: the reference simulator.
        allocation: "racing", "kl-lucb" (with a guarantee) or "uniform", see `racing`.
        shots: Of each item: all of them for "uniform" (1,000 where None), the most for the others.
        eps: The margin of a certified member, in units of the scores.
        eta: Coherences of the items, [B] or one for all.
        weights: Known factors of what is measured, [B] or one for all: p_c where an item's state in
            context c alone was prepared, so that F is measured. A score is
            `eta weight F + (1 - eta) / D`.
        dimension: D; None: of the qubits that the question measures.
        seed: From which simulators draw.
        **options: Further arguments of the function of `racing`.

    Returns:
        The best items, estimates, and what was spent.

    Raises:
        ConfigurationError: An argument makes no sense.
        BudgetExceededError: The backend's budget cannot pay for all rounds that may come. Nothing
            was sent.

    Example:
        >>> items = [[0.6, 0.8], [1.0, 0.0], [0.0, 1.0]]
        >>> select(ask(items, [1.0, 0.0]), k=1).order.tolist()
        [1]
    """
    runner = running.usable(backend, question.test.program)
    scale, offset = _scores(question.test, eta, weights, dimension)
    steps = _steps(allocation, len(question), shots, eps, scale, options)
    _check_budget(question, runner, [(len(question), step) for step in steps])
    sampler = _Sampler(question, runner, seed)
    common = {"eps": eps, "scale": scale, "offset": offset, **options}
    if allocation == "uniform":
        return racing.uniform(sampler, len(question), k, sum(steps), **common)
    function = racing.race if allocation == "racing" else racing.kl_lucb
    return function(sampler, len(question), k, max_shots=shots, **common)


def estimate_selection(
    question: Question,
    backend: Any = None,
    *,
    allocation: str = "racing",
    shots: int | None = None,
    eps: float = racing.EPS,
    eta: ArrayLike = 1.0,
    weights: ArrayLike = 1.0,
    prices: Any = None,
    **options: Any,
) -> Estimate:
    """Returns what `select` of the same arguments sends and costs at most; nothing is sent.

    Example:
        >>> items = [[0.6, 0.8], [1.0, 0.0], [0.0, 1.0]]
        >>> most = estimate_selection(ask(items, [1.0, 0.0]), allocation="uniform", shots=500)
        >>> most.jobs, most.circuits, most.shots, str(most.price)
        (1, 3, 1500, '0 USD')
    """
    scale, _ = _scores(question.test, eta, weights, None)
    steps = _steps(allocation, len(question), shots, eps, scale, options)
    return estimate(question, backend, [(len(question), step) for step in steps], prices)


def estimate(
    question: Question, backend: Any, submissions: Sequence[tuple[int, int]], prices: Any = None
) -> Estimate:
    """Returns what some submissions cost at most; nothing is sent.

    Args:
        question: From `ask`.
        backend: As in `measure`. What runs in this process costs nothing.
        submissions: The number of circuits of each, and their shots; those of a `Selection` say
            what it came to.
        prices: A `PriceTable`. None: the backend's own, else the service is asked.

    Returns:
        The estimate; its price is None where nobody knows it.

    Raises:
        PriceError: The service gives no usable price.
    """
    runner = running.usable(backend, question.test.program)
    planned = [(count, shots) for count, shots in submissions if count]
    if not planned or not hasattr(runner, "sender"):
        return Estimate(
            jobs=len(planned),
            circuits=sum(count for count, _ in planned),
            shots=sum(count * shots for count, shots in planned),
            price=Money(Decimal(0), "USD"),
            seconds=0.0,
        )
    # A copy of the sender, so that nothing is rehearsed that other threads send meanwhile.
    twin = copy.copy(runner)
    twin.sender = copy.copy(runner.sender)
    with twin.sender.rehearsing(prices) as rehearsal:
        for count, shots in planned:
            # Circuits of one structure cost the same, whatever their numbers.
            inputs = question.inputs[:count]
            twin.sample(running.rows_for(runner, question.test.program, inputs), shots, (0, 0))
    found: Estimate = rehearsal.total()
    return found


def _check_budget(question: Question, runner: Any, submissions: Sequence[tuple[int, int]]) -> None:
    """Refuses what the budget of a backend cannot pay to the end.

    Each job reserves its own part again when it is sent. A budget that goes on elsewhere when it is
    used up is left to do so.
    """
    budget = getattr(runner, "budget", None)
    if budget is None or budget.on_exceed != "stop":
        return
    planned, left = estimate(question, runner, submissions), budget.left
    if left.shots is not None and planned.shots > left.shots:
        raise _too_much(planned.shots, left.shots, "shots")
    if left.money is None:
        return
    price = planned.price
    if price is None or price.currency != budget.currency:
        raise PriceError(
            describe(
                "What this query costs at most is not known",
                expected=f"a price in {budget.currency}",
                received=None if price is None else str(price),
                hint="Pass prices= to the backend, a PriceTable of what holds for you",
            )
        )
    if price.amount > left.money:
        raise _too_much(price.amount, left.money, price.currency)


def _too_much(wanted: Any, left: Any, unit: str) -> BudgetExceededError:
    return BudgetExceededError(
        describe(
            f"This query may take {plain(Decimal(wanted))} {unit}, more than the budget has left; "
            "nothing of it was sent",
            expected=f"at most {plain(Decimal(left))} {unit}",
            hint="Look at fewer candidates, set shots= (the most for each), choose a larger eps, "
            "or raise the limit of the budget by set_limit",
        )
    )


class _Sampler:
    """Runs the pairs of a question in rounds; see `racing`."""

    def __init__(self, question: Question, runner: Any, seed: int) -> None:
        self._question, self._runner, self._seed = question, runner, seed
        self._round = 0

    def __call__(self, arms: NDArray[np.int64], shots: int) -> Floats:
        test = self._question.test
        self._round += 1
        sums, _ = running.drawn_sums(
            self._runner,
            test.program,
            self._question.inputs[arms],
            test.values,
            shots,
            (self._seed, self._round),
        )
        return (sums - test.low * shots) / (1 - test.low)


def _scores(
    test: OverlapTest, eta: ArrayLike, weights: ArrayLike, dimension: float | None
) -> tuple[Floats, Floats]:
    """Scale and offset that turn the mean of outcomes in [0, 1] into a decayed score."""
    coherence = np.asarray(eta, np.float64)
    factor = coherence * np.asarray(weights, np.float64)
    size = test.dimension if dimension is None else dimension
    return factor * (1 - test.low), factor * test.low + (1 - coherence) / size


def _steps(
    allocation: str,
    n_arms: int,
    shots: int | None,
    eps: float,
    scale: Floats,
    options: dict[str, Any],
) -> list[int]:
    if allocation == "uniform":
        return [check_shots(_SHOTS if shots is None else shots)]
    if allocation == "racing":
        return racing.racing_steps(eps, max_shots=shots, scale=scale, **options)
    if allocation == "kl-lucb":
        return racing.kl_lucb_steps(n_arms, eps, max_shots=shots, scale=scale, **options)
    raise ConfigurationError(
        describe(
            "Shots cannot be shared out so",
            received=allocation,
            hint=did_you_mean(str(allocation), ALLOCATIONS),
        )
    )
