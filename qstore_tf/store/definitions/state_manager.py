"""`StateManager`: states of items in memory, for looking at what a database does with them.

A database stores items and computes the same scores from a scan. Here each state is at hand: its
amplitudes, its density matrix, and what a measurement leaves of it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qstore_tf.errors import ConfigurationError, InputError, NotFoundError, describe, did_you_mean
from qstore_tf.store.definitions import decoherence, measurement
from qstore_tf.store.definitions.encoding import metric_named
from qstore_tf.store.definitions.states import QuantumState


@dataclass(frozen=True, eq=False)
class Collapsed:
    """What a measurement of the contexts found.

    Attributes:
        context: The context.
        probability: The chance that it had.
        state: The state after it, in this context alone.
    """

    context: str
    probability: float
    state: QuantumState


@dataclass(frozen=True, eq=False)
class _Kept:
    """A state as it was prepared, when, and its coherence time."""

    state: QuantumState
    prepared_at: float
    tau: float


class StateManager:
    """Prepares, measures and ages states; safe for threads.

    Args:
        metric: How vectors become amplitudes; "dot" and "l2" need `max_norm`.
        coherence_time: tau in ms of states that name none; `math.inf` for ever.
        coherence_threshold: Below this coherence a state is given up.
        max_norm: The longest vector, for "dot" and "l2".

    Raises:
        ConfigurationError: A setting makes no sense.

    Example:
        >>> states = StateManager(coherence_time=1000.0)
        >>> word = states.create_superposition([[1.0, 0.0], [0.0, 1.0]], ["bank", "river"])
        >>> found = states.measure_with_context(word, "bank")
        >>> found.probability, len(found.state.contexts)
        (0.5, 1)
        >>> states.apply_decoherence(10_000.0)
        1
        >>> states.get_coherent_states()
        []
    """

    def __init__(
        self,
        metric: str = "cosine",
        coherence_time: float = math.inf,
        coherence_threshold: float = 0.01,
        max_norm: float = 1.0,
    ) -> None:
        self.metric, self.max_norm = metric_named(metric), max_norm
        self.coherence_time = _checked_tau(coherence_time)
        if not 0 < coherence_threshold <= 1:
            raise ConfigurationError(
                describe(
                    "The threshold of coherence is out of range",
                    expected="above 0, at most 1",
                    received=coherence_threshold,
                )
            )
        self.coherence_threshold = coherence_threshold
        self._now = 0.0
        self._kept: list[_Kept] = []
        self._lock = threading.Lock()

    def create_superposition(
        self,
        vectors: ArrayLike,
        contexts: Sequence[str] | Sequence[tuple[str, float]] | None = None,
        coherence_time: float | None = None,
    ) -> QuantumState:
        """Prepares one state over its contexts and keeps it.

        Args:
            vectors: [m, d], one for each context, or [d] for all.
            contexts: Names, all as probable, or `(name, p)`; None: one without a name.
            coherence_time: tau in ms; None: the manager's.

        Returns:
            The state as it is now. It does not age by itself: `get_coherent_states` returns it as
            it will be.

        Raises:
            InputError: Vectors and contexts do not fit each other, or are no state.
        """
        rows = [("", 1.0)] if contexts is None else [_named(row, len(contexts)) for row in contexts]
        given = np.asarray(vectors)
        if given.ndim == 1:
            given = np.broadcast_to(given, (len(rows), len(given)))
        if given.ndim != 2 or len(given) != len(rows) or not rows:
            raise InputError(
                describe(
                    "Vectors and contexts do not fit each other",
                    expected=f"[{len(rows)}, d], one vector for each context, or [d] for all",
                    received=list(np.shape(vectors)),
                )
            )
        amplitudes = self.metric.encode(given, self.max_norm)
        state = QuantumState.of([name for name, _ in rows], [p for _, p in rows], amplitudes)
        tau = self.coherence_time if coherence_time is None else _checked_tau(coherence_time)
        with self._lock:
            self._kept.append(_Kept(state, self._now, tau))
        return state

    def measure_with_context(
        self, state: QuantumState, query_context: str | None = None, seed: Any = None
    ) -> Collapsed:
        """Measures the context register of a copy of a state; what is kept stays as it is.

        Args:
            state: The state.
            query_context: The context that is found; None: one is drawn, by their probabilities.
            seed: From which it is drawn, as `numpy.random.default_rng` takes it.

        Returns:
            The context, its probability and the state after it, as coherent as before.

        Raises:
            NotFoundError: The state has no part in this context.
        """
        if query_context is None:
            number = int(np.random.default_rng(seed).choice(len(state.weights), p=state.weights))
        elif query_context in state.contexts:
            number = state.contexts.index(query_context)
        else:
            number = -1
        if number < 0 or state.weights[number] == 0:
            raise NotFoundError(
                describe(
                    f"The state has no part in context {query_context!r}",
                    hint=did_you_mean(str(query_context), state.contexts),
                )
            )
        chance, vector = measurement.collapse(state.weights, state.vectors, number)
        name = state.contexts[number]
        return Collapsed(
            name, chance, QuantumState((name,), np.ones(1), vector[None], state.coherence)
        )

    def apply_decoherence(self, time_delta: float) -> int:
        """Lets time pass, and gives up the states whose coherence falls below the threshold.

        Args:
            time_delta: In ms, at least 0.

        Returns:
            How many were given up.

        Raises:
            ConfigurationError: The time is below 0.
        """
        if not time_delta >= 0:
            raise ConfigurationError(
                describe("Time does not go back", expected="at least 0 ms", received=time_delta)
            )
        with self._lock:
            self._now += time_delta
            # The time at which each is given up is known beforehand, see `decoherence`.
            held = [each for each in self._kept if self._expires_at(each) >= self._now]
            gone = len(self._kept) - len(held)
            self._kept = held
        return gone

    def get_coherent_states(self) -> list[QuantumState]:
        """Returns the states that are kept, oldest first, decayed as they are now."""
        with self._lock:
            return [
                each.state.decayed(self._now - each.prepared_at, each.tau) for each in self._kept
            ]

    def _expires_at(self, kept: _Kept) -> float:
        return float(decoherence.expires_at(kept.prepared_at, kept.tau, self.coherence_threshold))


def _named(row: Any, count: int) -> tuple[str, float]:
    return (row, 1 / count) if isinstance(row, str) else (row[0], row[1])


def _checked_tau(tau: float) -> float:
    if not tau > 0:
        raise ConfigurationError(
            describe("A coherence time makes no sense", expected="above 0 ms", received=tau)
        )
    return float(tau)
