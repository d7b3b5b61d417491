"""The database of version 1: `qs.store`, with the arguments that named backends and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qstore_tf.compat.lazy import lazily

if TYPE_CHECKING:
    from qstore_tf.compat.v1.database import QuantumDatabase as QuantumDatabase
    from qstore_tf.compat.v1.database import QuantumDatabaseConfig as QuantumDatabaseConfig
    from qstore_tf.compat.v1.ionq import IonQQuantumBackend as IonQQuantumBackend
    from qstore_tf.store import EntanglementRegistry as EntanglementRegistry
    from qstore_tf.store import QuantumCircuitBuilder as QuantumCircuitBuilder
    from qstore_tf.store import StateManager as StateManager
    from qstore_tf.store import TunnelingEngine as TunnelingEngine

HOMES = {
    "EntanglementRegistry": "store",
    "IonQQuantumBackend": "compat.v1.ionq",
    "QuantumCircuitBuilder": "store",
    "QuantumDatabase": "compat.v1.database",
    "QuantumDatabaseConfig": "compat.v1.database",
    "StateManager": "store",
    "TunnelingEngine": "store",
}

__all__ = [*HOMES]

__getattr__ = lazily(__name__, HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
