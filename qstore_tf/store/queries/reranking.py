"""Measures the candidates of a query by circuits: what a scan has found, a backend looks at again.

The candidates are rows of an index's snapshot, best first by exact scores. What is prepared is

    context=None       the item over a register of the contexts that differ, which the circuit
                       leaves aside: the mixture sum_c p_c F(q, v_c)
    a context c        its state v_c; p_c is known and multiplies what was measured
    several, weighted  the normalised sum_c sqrt(w_c p_c) v_c that a measurement of the contexts
                       leaves; the chance of that outcome is known, and multiplies likewise

Circuits grow with the dimension: a vector of d coordinates takes about 4 d two-qubit gates. On a
machine of today 8 to 32 coordinates and ten candidates are sensible, see docs/store.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.errors import ConfigurationError, QstoreError, describe
from qstore_tf.ionq.money.amounts import Money
from qstore_tf.ionq.money.estimating import Estimate
from qstore_tf.store.circuits import overlap, racing
from qstore_tf.store.circuits.overlap import Question
from qstore_tf.store.circuits.preparing import width_of
from qstore_tf.store.definitions.measurement import Context
from qstore_tf.store.index.measuring import in_context, shares
from qstore_tf.store.queries.uncertainty import Ranked, UncertaintyManager, mode_named

if TYPE_CHECKING:
    from qstore_tf.store.index.changes import Hits
    from qstore_tf.store.index.snapshot import Snapshot

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Candidates:
    """The candidates of one query, ready to be measured.

    Attributes:
        question: The circuits, one for each.
        order: int64 [M]: candidate i of the question stands at `order[i]` among the hits.
        keys: Their ids, rising: equal estimates come in this order and not in the true one.
        states: Unit amplitudes [M, D], by which candidates are compared with each other.
        eta: Coherences [M].
        weights: Known factors [M] of what is measured.
        dimension: D of the decayed score.
    """

    question: Question
    order: NDArray[np.int64]
    keys: list[str]
    states: Array
    eta: Floats
    weights: Floats
    dimension: float


@dataclass(frozen=True, eq=False)
class Reranked:
    """What circuits say of the candidates of one query.

    Attributes:
        columns: int64 [k], which hits are matches, in order; for `Hits.take`.
        ranked: Their scores, standard errors and what is promised.
        cost: The most that it has cost; None where nobody knows.
    """

    columns: NDArray[np.int64]
    ranked: Ranked
    cost: Money | None


def candidates(
    snapshot: Snapshot,
    hits: Hits,
    query: Array,
    *,
    context: Context = None,
    rank_by: str = "score",
    method: str = "inversion",
    max_qubits: int = 20,
) -> Candidates:
    """Prepares the candidates of one query.

    Args:
        snapshot: What was searched.
        hits: What was found for the query, B = 1.
        query: The vector [d].
        context: As the search had it.
        rank_by: As the search had it.
        method: "inversion", "swap" or "destructive_swap".
        max_qubits: Wider circuits are refused.

    Raises:
        ConfigurationError: The circuits are too wide.
    """
    keys = hits.keys[0]
    order = np.array(sorted(range(len(keys)), key=lambda i: keys[i]), np.int64)
    positions = hits.positions[0][order]
    n_data = width_of(snapshot.metric.lifted_dimension(snapshot.dimension)).bit_length() - 1
    weights, n_context = np.ones(len(order)), 0
    if context is None:
        states = _over_contexts(snapshot, positions)
        n_context = states.shape[-1].bit_length() - 1 - n_data
    else:
        states, chances = _conditional(snapshot, positions, context)
        if rank_by != "fidelity":
            weights = chances
    asked = snapshot.metric.encode_query(query)
    question = overlap.ask(states, asked, method=method, n_context=n_context)
    if question.test.n_qubits > max_qubits:
        raise ConfigurationError(
            describe(
                "The circuits of this query are too wide",
                expected=f"at most {max_qubits} qubits, as n_qubits of the settings says",
                received=question.test.n_qubits,
                hint="Reduce the vectors' dimension, or measure by 'inversion', the narrowest",
            )
        )
    qubits = snapshot.metric.n_qubits(snapshot.dimension)
    if context is not None and rank_by != "fidelity":
        qubits += snapshot.context_qubits
    return Candidates(
        question,
        order,
        [keys[i] for i in order.tolist()],
        states,
        hits.coherences[0][order],
        weights,
        2.0**qubits,
    )


def rerank(
    found: Candidates,
    k: int,
    backend: Any = None,
    *,
    mode: str = "balanced",
    manager: UncertaintyManager | None = None,
    shots: int | None = None,
    guarantee: bool = False,
    recall: float = 1.0,
    seed: int = 0,
) -> Reranked:
    """Measures candidates and chooses among them as a mode says; price and budget first.

    Args:
        found: From `candidates`.
        k: How many matches.
        backend: Of `qstore_tf.backends`; None: the reference simulator.
        mode: "precise", "balanced" or "exploratory".
        manager: The settings of the modes; None: the usual ones.
        shots: Of each candidate (precise: at most); None: what the mode takes.
        guarantee: Whether a precise query certifies with a guarantee, at a multiple of the shots.
        recall: The share of the true best k that are among the candidates.
        seed: From which simulators and exploratory matches are drawn.

    Raises:
        BudgetExceededError: The budget cannot pay for all that may be sent; nothing was.
        ConfigurationError: The backend cannot run the circuits.
    """
    sent: list[tuple[int, int]] = []

    def measure(k: int, allocation: str, shots: int | None, eps: float) -> racing.Selection:
        selection = overlap.select(
            found.question,
            k,
            backend,
            allocation=allocation,
            shots=shots,
            eps=eps,
            eta=found.eta,
            weights=found.weights,
            dimension=found.dimension,
            seed=seed,
        )
        sent.extend(selection.submissions)
        return selection

    ranked = (manager or UncertaintyManager()).rank_measured(
        mode,
        k,
        measure,
        shots=shots,
        guarantee=guarantee,
        keys=found.keys,
        amplitudes=found.states,
        recall=recall,
        seed=seed,
    )
    try:
        cost = overlap.estimate(found.question, backend, sent).price
    except QstoreError:  # it has run: what it cost may be unknown, its outcomes are not lost
        cost = None
    return Reranked(found.order[ranked.order], ranked, cost)


def estimate(
    found: Candidates,
    backend: Any = None,
    *,
    mode: str = "balanced",
    manager: UncertaintyManager | None = None,
    shots: int | None = None,
    guarantee: bool = False,
    prices: Any = None,
) -> Estimate:
    """Returns what `rerank` of the same arguments sends and costs at most; nothing is sent.

    Raises:
        PriceError: The service gives no usable price.
    """
    row = mode_named(mode)
    return overlap.estimate_selection(
        found.question,
        backend,
        allocation=row.allocate(guarantee),
        shots=row.shots if shots is None else shots,
        eps=(manager or UncertaintyManager()).eps,
        eta=found.eta,
        weights=found.weights,
        prices=prices,
    )


def _over_contexts(snapshot: Snapshot, positions: Array) -> Array:
    """States over contexts and data [n, 2^(a + n)], a for the contexts that differ."""
    size = snapshot.metric.lifted_dimension(snapshot.dimension)
    if not len(positions):
        return np.zeros((0, width_of(size)))
    states = snapshot.states(positions, None)
    parts = states.reshape(len(states), -1, size)
    count = 1 << (parts.shape[1] - 1).bit_length()
    full = np.zeros((len(parts), count, width_of(size)), states.dtype)
    full[:, : parts.shape[1], :size] = parts
    return full.reshape(len(parts), -1)


def _conditional(
    snapshot: Snapshot, positions: Array, context: str | Mapping[str, float]
) -> tuple[Array, Floats]:
    """The states that a measurement of the contexts leaves, and the chances of the outcome."""
    longest = snapshot.metric.longest(snapshot.effective()[1])
    size = snapshot.metric.lifted_dimension(snapshot.dimension)
    states = np.zeros((len(positions), size), np.result_type(snapshot.vectors.dtype, np.float64))
    for name, share in shares({context: 1.0} if isinstance(context, str) else context).items():
        for mine, weights, rows in in_context(snapshot, positions, name):
            factors = np.sqrt(share * weights)[:, None]
            states[mine] += factors * snapshot.metric.stored(rows, longest)
    lengths = np.linalg.norm(states, axis=1)
    possible = lengths > 1e-12
    # Senses that cancel leave no state: any will do, as its chance is 0.
    states[~possible, 0] = 1.0
    states[possible] /= lengths[possible, None]
    return states, np.where(possible, lengths**2, 0.0)
