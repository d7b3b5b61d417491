"""`Query`: what is asked of a namespace, apart from the vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.store.arguments.numbers import check_top_k
from qstore_tf.store.config import MODES, QuantumDatabaseConfig
from qstore_tf.store.definitions.measurement import check_ranking

DIVERSITIES = ("mmr", "qprp", "born")


@dataclass(frozen=True)
class Query:
    """What is asked, apart from the vectors; see `QuantumDatabase.query`.

    Attributes:
        context: None, a context's name, or weights by name.
        mode: "precise", "balanced" or "exploratory".
        tunneling: Whether matches come from several basins in turn.
        top_k: How many matches.
        filter: A metadata filter.
        rank_by: "score" or "fidelity".
        include_vectors: Whether matches carry their vectors.
        include_metadata: Whether they carry their metadata.
        diversity: How an exploratory query selects from its pool: "mmr" (also the default),
            "qprp", or "born", which draws matches by chance.
        barrier_threshold: The highest barrier to cross, with tunneling; None for the settings'.
        tunnel_probability: The least transmission; None for the settings'.
        seed: Of what is drawn.
        shots: Scores are measured by circuits on the database's `quantum_backend`, with so many
            shots for each candidate (of a precise query at most so many); 0 for as many as the mode
            takes. None: scores are computed.
        candidates: How many candidates are measured; None for `quantum_batch_size`, at most the
            mode's pool.
        overlap: How they are measured: "inversion", "swap" or "destructive_swap".
        guarantee: Whether a precise query is certified by bounds that always hold.
    """

    context: str | Mapping[str, float] | None = None
    mode: str = "balanced"
    tunneling: bool = False
    top_k: int = 10
    filter: Mapping[str, Any] | None = None
    rank_by: str = "score"
    include_vectors: bool = False
    include_metadata: bool = True
    diversity: str | None = None
    barrier_threshold: float | None = None
    tunnel_probability: float | None = None
    seed: int | None = None
    shots: int | None = None
    candidates: int | None = None
    overlap: str = "inversion"
    guarantee: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Query:
        """A query by its options.

        Raises:
            ConfigurationError: There is no such option.
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                raise ConfigurationError(
                    describe(f"A query has no option {name!r}", hint=did_you_mean(name, known))
                )
        return cls(**options)

    def __post_init__(self) -> None:
        check_top_k(self.top_k)
        check_ranking(self.rank_by, self.context)
        for name, least in (("seed", 0), ("shots", 0), ("candidates", 1)):
            value = getattr(self, name)
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least
            ):
                raise ConfigurationError(
                    describe(
                        f"{name} of a query cannot be used",
                        expected=f"an integer of at least {least}, or None",
                        received=value,
                    )
                )
        for name, value, known in (
            ("mode", self.mode, MODES),
            ("diversity", self.diversity, (None, *DIVERSITIES)),
        ):
            if value not in known:
                raise ConfigurationError(
                    describe(
                        f"A query has an unknown {name}",
                        received=value,
                        hint=did_you_mean(str(value), [each for each in known if each]),
                    )
                )

        if self.shots is not None and (self.tunneling or self.diversity == "qprp"):
            raise ConfigurationError(
                describe(
                    "A query by shots crosses no barriers, and knows no diversity='qprp'",
                    hint="Leave shots= out, or the other.",
                )
            )

    def pool(self, config: QuantumDatabaseConfig) -> int:
        """How many candidates are looked at; `top_k` where the best ones are the answer."""
        if self.shots is not None:
            return max(self.top_k, self.candidates or config.quantum_batch_size)
        if self.mode == "exploratory":
            return max(self.top_k, 2 * config.classical_candidate_pool)
        if self.tunneling or self.diversity:
            return max(self.top_k, config.classical_candidate_pool)
        return self.top_k

    def thresholds(self, config: QuantumDatabaseConfig) -> tuple[float, float]:
        """The highest barrier to cross and the least transmission; by default the settings'."""
        barrier, least = self.barrier_threshold, self.tunnel_probability
        return (
            config.barrier_threshold if barrier is None else barrier,
            config.tunnel_probability if least is None else least,
        )
