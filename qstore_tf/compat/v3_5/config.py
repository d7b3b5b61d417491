"""`TrainingConfig` of versions 3.4 and 3.5: every key, read into today's configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from qstore_tf.circuits.ansatz import entangling_pairs
from qstore_tf.compat import saying
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.training.config import SCHEDULES
from qstore_tf.training.config import TrainingConfig as Today
from qstore_tf.training.config_checks import Kind, check_names, flag, number, one_of, text, whole
from qstore_tf.training.options import MAX_QUBITS

SDKS = ("cirq", "qiskit", "ionq")
OPTIMIZERS = ("adam", "sgd")
# What each gradient method is called today; natural gradients are an optimizer.
GRADIENTS = {
    "spsa_parallel": "spsa",
    "spsa": "spsa",
    "parameter_shift": "parameter_shift",
    "natural_gradient": "auto",
}
RENAMED = {
    "use_batch_api": "use_concurrent_submission",
    "multi_backend_orchestration": "enable_multi_backend",
}
_WHAT = "A training of version 3.5"
_ALL_V34 = ("use_concurrent_submission", "use_native_gates", "enable_smart_caching")
_ALL_V35 = (
    "enable_multi_backend",
    "adaptive_circuit_depth",
    "adaptive_shot_allocation",
    "enable_circuit_optimization",
)
_ALWAYS, _NEVER = True, False
# Keys that change nothing: the value that says what is so anyway (None: no value does), and why.
NO_EFFECT: Mapping[str, tuple[Any, str]] = {
    "pinecone_api_key": (None, "training data in a store is qs.tracking's, not the trainer's"),
    "pinecone_environment": (None, "Pinecone has none any more"),
    "pinecone_index_name": (None, "training data in a store is qs.tracking's, not the trainer's"),
    "use_concurrent_submission": (_ALWAYS, "a batch is sent as one job, or few"),
    "enable_smart_caching": (_ALWAYS, "circuits are compiled once for each structure"),
    "adaptive_batch_sizing": (_NEVER, "a batch is sent as one job, or few, whatever its size"),
    "max_concurrent_circuits": (None, "a batch is sent as one job, or few, whatever its size"),
    "enable_circuit_compression": (_NEVER, "a job is sent as it is"),
    "max_queue_wait_time": (
        None,
        "jobs wait as long as the queue takes; deadline_s= of qs.backends.IonQ limits it",
    ),
    "retry_failed_circuits": (_ALWAYS, "what failed without being run is always sent again"),
    "log_interval": (None, "Keras shows every step; verbose=0 hides them"),
    "track_gradients": (_NEVER, "qs.callbacks.QuantumTensorBoard writes gradients"),
    "qfim_cache_size": (None, "the metric of a step is kept, and no other"),
    "enable_circuit_optimization": (_ALWAYS, "circuits for IonQ are always shortened exactly"),
    "gate_merging": (_ALWAYS, "circuits for IonQ are always shortened exactly"),
    "identity_removal": (_ALWAYS, "circuits for IonQ are always shortened exactly"),
    "entanglement_pruning": (
        _NEVER,
        "it changes what is computed; circuit.optimize(max_depth=) does it and says what it costs",
    ),
    "enable_performance_tracking": (_ALWAYS, "times are always measured"),
    "enable_dashboard": (_NEVER, "`qstore dashboard FOLDER` shows a training"),
    "dashboard_port": (None, "`qstore dashboard FOLDER --port` has it"),
}


@dataclass
class _Keys:
    pinecone_api_key: str | None = field(default=None, repr=False)
    pinecone_environment: str | None = None
    pinecone_index_name: str | None = None
    quantum_sdk: str = "ionq"
    quantum_api_key: str | None = field(default=None, repr=False)
    quantum_target: str = "simulator"
    learning_rate: float = 0.01
    batch_size: int = 10
    epochs: int = 5
    n_qubits: int = 8
    circuit_depth: int = 2
    entanglement: str = "linear"
    optimizer: str = "adam"
    momentum: float = 0.9
    weight_decay: float = 0.0
    gradient_method: str = "spsa_parallel"
    use_concurrent_submission: bool = True
    use_native_gates: bool = True
    enable_smart_caching: bool = True
    adaptive_batch_sizing: bool = False
    connection_pool_size: int = 5
    shots_per_circuit: int = 1000
    max_concurrent_circuits: int = 50
    enable_circuit_compression: bool = False
    max_queue_wait_time: float = 30.0
    retry_failed_circuits: bool = True
    log_interval: int = 10
    track_gradients: bool = False
    checkpoint_interval: int = 10
    checkpoint_dir: str | None = None
    enable_multi_backend: bool = False
    backend_configs: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    adaptive_circuit_depth: bool = False
    circuit_depth_schedule: str = "linear"
    min_circuit_depth: int = 2
    max_circuit_depth: int = 4
    adaptive_shot_allocation: bool = False
    min_shots: int = 500
    base_shots: int = 1000
    max_shots: int = 2000
    natural_gradient_regularization: float = 0.01
    qfim_cache_size: int = 100
    enable_circuit_optimization: bool = True
    gate_merging: bool = True
    identity_removal: bool = True
    entanglement_pruning: bool = False
    enable_performance_tracking: bool = True
    enable_dashboard: bool = False
    dashboard_port: int = 8080
    enable_all_v34_features: bool = False
    enable_all_v35_features: bool = False


class TrainingConfig(_Keys):
    """The settings of `QuantumTrainer`, with the names and defaults of versions 3.4 and 3.5.

    Keys with another name now work and warn once. Keys that change nothing say so once, in the
    log, where they ask for something that is not so anyway. `to_today` is the configuration that
    the training runs with.

    Where versions 3.4 and 3.5 said nothing, this holds: `quantum_sdk` may be any of the three,
    as jobs are sent by our own client; `circuit_depth` is of models that set none, and
    `max_circuit_depth` in its place with `adaptive_circuit_depth`; `checkpoint_interval` counts
    steps and needs `checkpoint_dir`, a folder, which these versions did not have; keys of services
    are given here or, better, in IONQ_API_KEY. `enable_all_v34_features` sets
    `use_concurrent_submission`, `use_native_gates` and `enable_smart_caching`;
    `enable_all_v35_features` these and `adaptive_circuit_depth`, `adaptive_shot_allocation`,
    `enable_circuit_optimization`, and, with `backend_configs`, `enable_multi_backend`.

    Args:
        given: Settings by name.

    Raises:
        ConfigurationError: An unknown key, or a value that cannot be used.

    Example:
        >>> config = TrainingConfig(n_qubits=4, adaptive_shot_allocation=True, max_shots=1500)
        >>> config.epochs, config.to_today().max_shots
        (5, 1500)
    """

    def __init__(self, **given: Any) -> None:
        for old, new in RENAMED.items():
            if old in given:
                saying.deprecated(old, new, stacklevel=2)
                given[new] = given.pop(old)
        check_names(given, KEYS, _WHAT)
        for name, value in given.items():
            always, why = NO_EFFECT.get(name, (value, ""))
            if value != always and value is not None:
                saying.no_effect(name, why)
        self._given = given
        super().__init__(**given)
        self._use_all()
        self._check_together()

    def _use_all(self) -> None:
        wanted: tuple[str, ...] = ()
        if self.enable_all_v34_features or self.enable_all_v35_features:
            wanted += _ALL_V34
        if self.enable_all_v35_features:
            wanted += _ALL_V35
        for name in wanted:
            if name != "enable_multi_backend" or self.backend_configs:
                setattr(self, name, True)

    def _check_together(self) -> None:
        entangling_pairs(self.entanglement, self.n_qubits)
        if self.enable_multi_backend and not self.backend_configs:
            raise ConfigurationError(
                describe(
                    "enable_multi_backend has no backends",
                    expected="backend_configs=[{'provider': ..., 'target': ...}, ...]",
                    received=list(self.backend_configs),
                )
            )
        if self.adaptive_circuit_depth and self.min_circuit_depth > self.max_circuit_depth:
            raise ConfigurationError(
                describe(
                    "min_circuit_depth is more than max_circuit_depth",
                    expected=f"at most {self.max_circuit_depth}",
                    received=self.min_circuit_depth,
                )
            )

    def __getattr__(self, name: str) -> Any:
        """Reads keys by their old names."""
        if name in RENAMED:
            saying.deprecated(name, RENAMED[name])
            return getattr(self, RENAMED[name])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets a key, checked as where the configuration is made."""
        if name in RENAMED:
            saying.deprecated(name, RENAMED[name])
            name = RENAMED[name]
        if not name.startswith("_"):
            check_names([name], KEYS, _WHAT)
            if name in _KINDS:
                _KINDS[name].check(name, value)
        super().__setattr__(name, value)

    @property
    def depth(self) -> int:
        """Layers of the circuit of a model that sets none."""
        return self.max_circuit_depth if self.adaptive_circuit_depth else self.circuit_depth

    def to_today(self, depth: int | None = None) -> Today:
        """Returns the `qs.TrainingConfig` that a training runs with; keys of services left out.

        Args:
            depth: Layers of the model's circuit; None: those of this configuration.
        """
        layers = self.depth if depth is None else depth
        same = {name: getattr(self, name) for name in _SAME}
        return Today(
            **same,
            circuit_depth=layers,
            min_circuit_depth=min(self.min_circuit_depth, layers),
            gradient_method=GRADIENTS[self.gradient_method],
            cost_budget=None,
            distributed_strategy="single",
            run_dir=self.checkpoint_dir,
            checkpoint_interval=self.checkpoint_interval if self.checkpoint_dir else None,
        )

    def replace(self, **changes: Any) -> TrainingConfig:
        """Returns these settings with some changed."""
        return TrainingConfig(**{**self._given, **changes})


KEYS = tuple(each.name for each in fields(_Keys))
_SAME = (
    "n_qubits", "entanglement", "batch_size", "epochs", "learning_rate", "optimizer",
    "adaptive_circuit_depth", "circuit_depth_schedule", "adaptive_shot_allocation",
    "min_shots", "base_shots", "max_shots",
)  # fmt: skip
_MOST = 1_000_000_000
_COUNTS = (
    "batch_size", "epochs", "connection_pool_size", "shots_per_circuit",
    "max_concurrent_circuits", "log_interval", "checkpoint_interval", "min_circuit_depth",
    "max_circuit_depth", "circuit_depth", "min_shots", "base_shots", "max_shots",
    "qfim_cache_size",
)  # fmt: skip
_KINDS: dict[str, Kind] = {
    **{each.name: flag() for each in fields(_Keys) if each.type == "bool"},
    **dict.fromkeys(_COUNTS, whole(1, _MOST)),
    "quantum_sdk": one_of(SDKS),
    "quantum_target": text(),
    "learning_rate": number(0, 10, above=True),
    "n_qubits": whole(1, MAX_QUBITS),
    "entanglement": text(),
    "optimizer": one_of(OPTIMIZERS),
    "momentum": number(0, 1),
    "weight_decay": number(0, 1),
    "gradient_method": one_of(GRADIENTS),
    "max_queue_wait_time": number(0, _MOST),
    "circuit_depth_schedule": one_of(SCHEDULES),
    "natural_gradient_regularization": number(0, _MOST),
    "dashboard_port": whole(0, 65535),
    "checkpoint_dir": text(optional=True),
}
