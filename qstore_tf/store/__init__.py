"""The quantum database: items with weighted contexts, correlated groups, and decay, stored durably.

What each word means is a formula that is computed exactly; `docs/store.md` states them. Nothing
here needs TensorFlow.

>>> import qstore_tf as qs
>>> db = qs.store.QuantumDatabase()
>>> db.insert("a", [1.0, 0.0]).stored
1
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qstore_tf.store.aio import AsyncQuantumDatabase as AsyncQuantumDatabase
    from qstore_tf.store.circuits.circuit_builder import CircuitBuilder as CircuitBuilder
    from qstore_tf.store.config import QuantumDatabaseConfig as QuantumDatabaseConfig
    from qstore_tf.store.database import QuantumDatabase as QuantumDatabase
    from qstore_tf.store.definitions.correlation import Correlation as Correlation
    from qstore_tf.store.definitions.decoherence import ManualClock as ManualClock
    from qstore_tf.store.definitions.entanglement_registry import (
        EntanglementRegistry as EntanglementRegistry,
    )
    from qstore_tf.store.definitions.state_manager import StateManager as StateManager
    from qstore_tf.store.items.correlations import Proposal as Proposal
    from qstore_tf.store.queries.uncertainty import UncertaintyManager as UncertaintyManager
    from qstore_tf.store.records import BatchResult as BatchResult
    from qstore_tf.store.records import Context as Context
    from qstore_tf.store.records import Item as Item
    from qstore_tf.store.records import Match as Match
    from qstore_tf.store.records import Namespace as Namespace
    from qstore_tf.store.records import Page as Page
    from qstore_tf.store.records import QueryResult as QueryResult
    from qstore_tf.store.records import RowError as RowError
    from qstore_tf.store.service.client import QuantumDatabaseClient as QuantumDatabaseClient
    from qstore_tf.store.transaction import Transaction as Transaction
    from qstore_tf.store.tunneling.engine import TunnelingEngine as TunnelingEngine

    QuantumCircuitBuilder = CircuitBuilder

# Read when they are asked for: most users need one of them, and some pull in SciPy.
_PLACES = {
    "AsyncQuantumDatabase": "aio",
    "BatchResult": "records",
    "CircuitBuilder": "circuits.circuit_builder",
    "Context": "records",
    "Correlation": "definitions.correlation",
    "EntanglementRegistry": "definitions.entanglement_registry",
    "Item": "records",
    "ManualClock": "definitions.decoherence",
    "Match": "records",
    "Namespace": "records",
    "Page": "records",
    "Proposal": "items.correlations",
    "QuantumCircuitBuilder": "circuits.circuit_builder",
    "QuantumDatabase": "database",
    "QuantumDatabaseClient": "service.client",
    "QuantumDatabaseConfig": "config",
    "QueryResult": "records",
    "RowError": "records",
    "StateManager": "definitions.state_manager",
    "Transaction": "transaction",
    "TunnelingEngine": "tunneling.engine",
    "UncertaintyManager": "queries.uncertainty",
}

_NAMES_OF_VERSION_1 = {"QuantumCircuitBuilder": "CircuitBuilder"}

__all__ = [*_PLACES]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        module = importlib.import_module(f"{__name__}.{_PLACES[name]}")
        return getattr(module, _NAMES_OF_VERSION_1.get(name, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
