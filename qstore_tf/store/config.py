"""The settings of a database, with the names that version 1 gave them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from qstore_tf.errors import ConfigurationError, describe, did_you_mean

MODES = ("precise", "balanced", "exploratory")


@dataclass(frozen=True)
class QuantumDatabaseConfig:
    """Settings of a `QuantumDatabase`.

    Attributes:
        classical_backend: The store of vectors: "memory" scans them exactly in this process, from
            the database's own file; "hnsw" puts a graph beside it, which may miss a few matches in
            a thousand, and pays from about a million items on; "pgvector", "qdrant", "pinecone" and
            stores of yours, by object or as "package.module:factory", hold copies that are searched
            instead.
        classical_options: Arguments of that store, such as `{"url": "postgresql://..."}`.
        classical_index_name: The index or collection to use there.
        quantum_backend: What runs circuits for queries by shots, a backend object; None computes
            every score.
        n_qubits: Wider states are not run as circuits.
        target_device: Of version 1; the backend object has its own target, and this is not used.
        enable_superposition: Whether items may have contexts.
        max_contexts_per_vector: How many an item may have.
        enable_entanglement: Whether items may be members of correlated groups.
        auto_detect_correlations: Whether the history of joint updates is kept, from which
            `propose_groups` proposes groups. None is created by itself.
        correlation_threshold: What the lower confidence bound of a proposed correlation must reach.
        enable_decoherence: Whether items decay.
        default_coherence_time: tau in ms of items that name none. Version 1 had 1000.0, which
            archives each item within seconds; here the default keeps them for ever.
        coherence_threshold: An item is archived when exp(-age / tau) falls below this.
        on_decohere: "archive" or "delete".
        refresh_on_read: Whether `get` prepares an item anew, so that its age starts again.
        enable_tunneling: Whether `tunnel_search` and `enable_tunneling=True` are allowed.
        tunnel_probability: The least transmission of a basin that is reported.
        barrier_threshold: The highest barrier of one.
        quantum_batch_size: How many candidates a query by shots measures.
        classical_candidate_pool: How many candidates a balanced query looks at, where the search
            beneath is not exact or scores come from shots.
        cache_quantum_states: Of version 1; circuits are kept by their structure anyway, and this is
            not used.
        cache: Where answers of queries are kept: None for nowhere, "memory", the address of a Redis
            or Valkey server such as "redis://localhost:6379/0", or a `RedisCache`. `docs/store.md`
            states which answers, and when it pays.
        cache_bytes: What those in this process's memory may take; before Redis there are some, too.
    """

    classical_backend: Any = "memory"
    classical_index_name: str = "vectors"
    # Not shown: addresses may hold passwords.
    classical_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    quantum_backend: Any = None
    n_qubits: int = 20
    target_device: str = "simulator"
    enable_superposition: bool = True
    max_contexts_per_vector: int = 5
    enable_entanglement: bool = True
    auto_detect_correlations: bool = False
    correlation_threshold: float = 0.7
    enable_decoherence: bool = True
    default_coherence_time: float = math.inf
    coherence_threshold: float = 0.01
    on_decohere: str = "archive"
    refresh_on_read: bool = False
    enable_tunneling: bool = True
    tunnel_probability: float = 0.2
    barrier_threshold: float = 0.8
    quantum_batch_size: int = 100
    classical_candidate_pool: int = 1000
    cache_quantum_states: bool = True
    cache: Any = field(default=None, repr=False)  # its address may hold a password
    cache_bytes: int = 32 << 20

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or not low <= value <= high
            ):
                raise ConfigurationError(
                    describe(
                        f"{name} of the database is out of range",
                        expected=f"a number from {low} to {high}",
                        received=value,
                    )
                )
        for name in _INTEGERS:
            if not isinstance(getattr(self, name), int):
                raise ConfigurationError(
                    describe(
                        f"{name} of the database must be an integer", received=getattr(self, name)
                    )
                )
        if self.on_decohere not in ("archive", "delete"):
            raise ConfigurationError(
                describe(
                    "on_decohere of the database is unknown",
                    expected='"archive" or "delete"',
                    received=self.on_decohere,
                )
            )

    def with_options(self, **options: Any) -> QuantumDatabaseConfig:
        """Returns these settings with some replaced.

        Raises:
            ConfigurationError: An unknown setting, or a value out of range.

        Example:
            >>> QuantumDatabaseConfig().with_options(n_qubits=3).n_qubits
            3
        """
        known = [setting.name for setting in fields(self)]
        for name in options:
            if name not in known:
                raise ConfigurationError(
                    describe(
                        f"A database has no setting {name!r}",
                        hint=did_you_mean(name, known),
                    )
                )
        return replace(self, **options)


_TINY = 5e-324
_RANGES: dict[str, tuple[float, float]] = {
    "n_qubits": (1, 30),
    "max_contexts_per_vector": (1, 1024),
    "correlation_threshold": (0, 1),
    "default_coherence_time": (_TINY, math.inf),
    "coherence_threshold": (_TINY, 1),
    "tunnel_probability": (0, 1),
    "barrier_threshold": (0, 1),
    "quantum_batch_size": (1, 5000),
    "classical_candidate_pool": (1, 10**9),
    "cache_bytes": (0, 1 << 40),
}
_INTEGERS = (
    "n_qubits",
    "max_contexts_per_vector",
    "quantum_batch_size",
    "classical_candidate_pool",
    "cache_bytes",
)
