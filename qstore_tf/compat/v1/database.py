"""`QuantumDatabase` of version 1: `qs.store.QuantumDatabase`, with backends by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from qstore_tf import backends, store
from qstore_tf.backends.registry import SERVICES
from qstore_tf.store.config import QuantumDatabaseConfig as Today


@dataclass(frozen=True)
class _Keys(Today):
    ionq_api_key: str | None = None

    def __repr__(self) -> str:
        return f"QuantumDatabaseConfig(n_qubits={self.n_qubits}, ...)"


class QuantumDatabaseConfig(_Keys):
    """The settings of version 1: those of `qs.store.QuantumDatabaseConfig`, and `ionq_api_key`.

    `quantum_backend` may be a name, such as "ionq", whose target is `target_device`.

    Example:
        >>> QuantumDatabaseConfig(n_qubits=3, target_device="qpu.forte-1").n_qubits
        3
    """


class QuantumDatabase(store.QuantumDatabase):
    """The database of version 1, with the arguments that it had.

    Vectors are kept in this process, whatever version 1 began with; `classical_backend="pinecone"`
    is to be said, and needs `api_key` or PINECONE_API_KEY.

    Args:
        path: As of `qs.store.QuantumDatabase`; version 1 kept nothing on disk by itself.
        config: Settings.
        classical_backend: "memory", "pinecone" and others; see `qs.store.QuantumDatabaseConfig`.
        quantum_backend: "ionq", the name of another backend, or a backend; None: scores are
            computed.
        api_key: Of the store of vectors.
        ionq_api_key: Of IonQ; None: IONQ_API_KEY.
        settings: Further arguments and settings of `qs.store.QuantumDatabase`.

    Example:
        >>> db = QuantumDatabase(quantum_backend="ionq", ionq_api_key="a-key", n_qubits=4)
        >>> db.config.quantum_backend.name
        'ionq'
    """

    def __init__(
        self,
        path: Any = None,
        *,
        config: Today | None = None,
        classical_backend: Any = None,
        quantum_backend: Any = None,
        api_key: str | None = None,
        ionq_api_key: str | None = None,
        **settings: Any,
    ) -> None:
        given: dict[str, Any] = {}
        for name, value in (
            ("classical_backend", classical_backend),
            ("quantum_backend", quantum_backend),
        ):
            if value is not None:
                given[name] = value
        plain = config
        if isinstance(config, _Keys):
            ionq_api_key = ionq_api_key or config.ionq_api_key
            plain = Today(**{f.name: getattr(config, f.name) for f in fields(Today)})
        named = (plain or Today()).with_options(
            **given, **{name: settings.pop(name) for name in _SETTINGS if name in settings}
        )
        if isinstance(named.quantum_backend, str):
            made = _backend(named.quantum_backend, named.target_device, ionq_api_key)
            named = named.with_options(quantum_backend=made)
        super().__init__(path, config=named, api_key=api_key, **settings)


_SETTINGS = tuple(each.name for each in fields(Today))


def _backend(name: str, target: str, api_key: str | None) -> Any:
    options: Mapping[str, Any] = {}
    if name in SERVICES:
        options = {"target": target, "api_key": api_key}
    return backends.get(name, **options)
