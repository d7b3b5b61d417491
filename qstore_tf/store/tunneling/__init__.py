"""Retrieval over barriers: basins of a pool, Grover's search counted, regimes and precursors."""

from qstore_tf.store.tunneling.amplification import GroverResult, grover_search
from qstore_tf.store.tunneling.engine import (
    Candidates,
    Representative,
    TunnelingEngine,
    TunnelResult,
    tunnel_search,
)
from qstore_tf.store.tunneling.landscape import Basin, Landscape
from qstore_tf.store.tunneling.precursors import Precursor, Precursors, find_precursors
from qstore_tf.store.tunneling.regimes import Regime, Regimes, discover_regimes

__all__ = [
    "Basin",
    "Candidates",
    "GroverResult",
    "Landscape",
    "Precursor",
    "Precursors",
    "Regime",
    "Regimes",
    "Representative",
    "TunnelResult",
    "TunnelingEngine",
    "discover_regimes",
    "find_precursors",
    "grover_search",
    "tunnel_search",
]
