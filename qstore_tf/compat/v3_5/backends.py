"""The backends of a configuration of version 3.5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qstore_tf import backends
from qstore_tf.backends import Backend
from qstore_tf.compat.v3_5.config import TrainingConfig
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.routing import Pool
from qstore_tf.training.config_checks import check_names

_KEYS = ("provider", "target", "simulator", "api_key", "device", "url", "shots")
# Providers that are local; others are names of backends of today.
_LOCAL = {"local": "local_cpu", "simulator": "local_cpu", "mock": "local_cpu"}


def create_ionq_backend(config: TrainingConfig) -> Backend:
    """Returns the IonQ backend of a configuration: `qs.backends.IonQ`.

    `quantum_target` is its target, `shots_per_circuit` its shots, `connection_pool_size` how many
    jobs may be in flight, and without `use_native_gates` the service compiles. IONQ_API_URL names
    a local IonQ (`qstore ionq-emulator`) in place of the cloud; without `quantum_api_key` the key
    is IONQ_API_KEY.

    Example:
        >>> create_ionq_backend(TrainingConfig(shots_per_circuit=200)).shots
        200
    """
    return backends.IonQ(
        config.quantum_target,
        shots=config.shots_per_circuit,
        gateset="native" if config.use_native_gates else "qis",
        max_in_flight=config.connection_pool_size,
        api_key=config.quantum_api_key,
    )


def backend_of(entry: Mapping[str, Any], config: TrainingConfig | None = None) -> Backend:
    """Returns the backend of one of `backend_configs`.

    Args:
        entry: "provider": "ionq", "local", or the name of a backend; "target", or "simulator" in
            its place; "api_key"; "device" of Lightning; and "url" and "shots", which version 3.5
            did not have.
        config: For what the entry does not say.

    Raises:
        ConfigurationError: An unknown key, or no provider.
    """
    settings = config or TrainingConfig()
    check_names(entry, _KEYS, "An entry of backend_configs")
    provider = entry.get("provider")
    if not isinstance(provider, str):
        raise ConfigurationError(
            describe(
                "An entry of backend_configs names no provider",
                expected="{'provider': 'ionq', 'target': 'simulator'}",
                received={name: value for name, value in entry.items() if name != "api_key"},
            )
        )
    if provider == "ionq":
        return backends.IonQ(
            _target(entry, settings),
            shots=entry.get("shots", settings.shots_per_circuit),
            gateset="native" if settings.use_native_gates else "qis",
            max_in_flight=settings.connection_pool_size,
            url=entry.get("url"),
            api_key=entry.get("api_key", settings.quantum_api_key),
        )
    device = entry.get("device")
    options = {} if device is None or provider != "lightning" else {"device": device}
    return backends.get(_LOCAL.get(provider, provider), **options)


def _target(entry: Mapping[str, Any], settings: TrainingConfig) -> str:
    simulator = entry.get("simulator")
    if "target" not in entry and simulator:
        return simulator if isinstance(simulator, str) else "simulator"
    return str(entry.get("target", settings.quantum_target))


def training_backend(config: TrainingConfig) -> Backend:
    """Returns what a training runs on: a `Pool` with `enable_multi_backend`, else IonQ."""
    if not config.enable_multi_backend:
        return create_ionq_backend(config)
    return backends.get(Pool([backend_of(entry, config) for entry in config.backend_configs]))
