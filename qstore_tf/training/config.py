"""`TrainingConfig`: everything that decides a training, in one object that is checked at once.

No framework is imported here, so that the command line can refuse a wrong file at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from qstore_tf.circuits.ansatz import entangling_pairs, get_ansatz
from qstore_tf.circuits.encodings import ENCODINGS
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.training import config_checks as checks
from qstore_tf.training.backend_config import BackendConfig
from qstore_tf.training.config_checks import Kind, flag, number, one_of, text, whole
from qstore_tf.training.options import MAX_QUBITS, observable_strings
from qstore_tf.training.secret_keys import refuse_secrets

PRIORITIES = ("balanced", "cost", "speed")
STRATEGIES = ("auto", "single", "multi_worker")
GRADIENTS = (
    "auto", "adjoint", "parameter_shift", "spsa", "hadamard_test", "finite_difference", "adaptive",
)  # fmt: skip
OPTIMIZERS = ("adam", "sgd", "rmsprop", "adamw", "nadam")
SCHEDULES = ("linear", "exponential", "step")
TASKS = ("auto", "classification", "regression")
_FRAMEWORKS = ("tensorflow", "pytorch")
# What describes workers; see `qstore_tf.distribute.multi_worker_strategy`.
_WORKERS = ("TF_CONFIG", "QSTORE_WORKERS")
_MOST = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything that decides a training: circuit, backends, money, steps.

    It cannot be changed once it is made; `replace` makes another. From Python, or from a file by
    `from_file`. Names and defaults are those of version 4.0, with what it lacked added. Keys of
    services are read from the environment alone (`IONQ_API_KEY`).

    Attributes:
        n_qubits: Qubits of the circuit.
        circuit_depth: Layers of the ansatz.
        encoding: How features enter, "angle", "amplitude" or "basis".
        ansatz: "hardware_efficient" or "hardware_efficient_reduced".
        entanglement: "linear", "circular", "full" or "pairs".
        observables: What is measured: "z", "zz", "z+zz", or Pauli strings joined by ",".
        task: "classification" (classes as integers), "regression" (numbers), or "auto": by the
            type of the targets.
        n_outputs: Classes, or numbers to predict; None: what the targets in arrays have.
        backends: Backends by name, each a mapping of `BackendConfig`'s attributes:
            `{"name": ..., "type": ..., "use_for": ..., "device": ..., "target": ...}`, or a
            name of a backend alone. Without any: `backend="auto"`.
        auto_backend_selection: Whether a `Router` chooses, batch by batch, among the backends
            that are for the same phase. Else the first of them is used.
        routing_priority: "balanced", "cost" or "speed".
        routing_precision: The least precision of a backend that a router may choose.
        shots: Shots of each circuit; None: exact where the backend can, but `base_shots` with
            `adaptive_shot_allocation`.
        gradient_method: "auto" (adjoint where the backend can, else parameter shift), or the name
            of a gradient method. Version 4.0 began with "parameter_shift", which gives the same
            gradients from many more circuits.
        cost_budget: The most that the training may cost, in US dollars; None: no budget but that
            of the environment (`IONQ_BUDGET_USD`). It is used where a backend may cost money.
        on_budget_exceeded: "stop", or "fallback": go on with `fallback_backend`.
        fallback_backend: The name of an entry, or of a backend.
        batch_size: Rows of a step; of all workers together.
        epochs: Passes over the data.
        learning_rate: Of the optimizer.
        optimizer: The name of an optimizer of Keras.
        seed: Fixes first weights, order of rows, and shots; None: another each time.
        ml_framework: "tensorflow".
        distributed_strategy: "single", "multi_worker" (`qs.distribute.multi_worker_strategy`), or
            "auto": multi_worker where the environment describes workers.
        adaptive_circuit_depth: Whether `AdaptiveDepth` changes the depth during the training.
        min_circuit_depth: Its least depth; None: half of `circuit_depth`.
        circuit_depth_schedule: "linear", "exponential" or "step".
        circuit_depth_direction: "down", from all layers to fewer, or "up".
        adaptive_shot_allocation: Whether `AdaptiveShots` changes the shots during the training.
        shot_rule: "progress", or "snr": from the measured noise of the gradient.
        min_shots: Its fewest shots.
        base_shots: Its usual shots.
        max_shots: Its most shots.
        run_dir: A folder for checkpoints, what was spent, and reports: a training of the same
            folder goes on where it ended. None: nothing is kept.
        checkpoint_interval: Steps between checkpoints; None: after each epoch.
        data: What `qstore train --config` trains on; not read elsewhere.

    Raises:
        ConfigurationError: An unknown key, a value that cannot be used, two that contradict each
            other, or a secret.

    Example:
        >>> config = TrainingConfig(
        ...     n_qubits=4,
        ...     backends=[
        ...         {"name": "fast", "type": "native", "use_for": "training"},
        ...         {"name": "ionq", "type": "ionq_simulator", "use_for": "validation"},
        ...     ],
        ... )
        >>> config.backends[1].type, config.epochs
        ('ionq_simulator', 20)
        >>> try:
        ...     TrainingConfig(epoch=3)
        ... except ConfigurationError as error:
        ...     print(str(error).partition(" Available")[0])
        A training has no setting 'epoch'. Did you mean 'epochs'?
    """

    n_qubits: int = 8
    circuit_depth: int = 4
    encoding: str = "angle"
    ansatz: str = "hardware_efficient"
    entanglement: str = "linear"
    observables: str = "z"
    task: str = "auto"
    n_outputs: int | None = None
    backends: tuple[BackendConfig, ...] = ()
    auto_backend_selection: bool = True
    routing_priority: str = "balanced"
    routing_precision: float = 0.9
    shots: int | None = None
    gradient_method: str = "auto"
    cost_budget: float | None = 100.0
    on_budget_exceeded: str = "stop"
    fallback_backend: str = "auto"
    batch_size: int = 32
    epochs: int = 20
    learning_rate: float = 0.01
    optimizer: str = "adam"
    seed: int | None = None
    ml_framework: str = "tensorflow"
    distributed_strategy: str = "auto"
    adaptive_circuit_depth: bool = False
    min_circuit_depth: int | None = None
    circuit_depth_schedule: str = "linear"
    circuit_depth_direction: str = "down"
    adaptive_shot_allocation: bool = False
    shot_rule: str = "progress"
    min_shots: int = 500
    base_shots: int = 1000
    max_shots: int = 2000
    run_dir: str | None = None
    checkpoint_interval: int | None = None
    data: str | None = None

    def __new__(cls, *args: Any, **given: Any) -> TrainingConfig:
        """Refuses names that are not known before Python does, which names no nearest one."""
        refuse_secrets(given, "the arguments of TrainingConfig")
        checks.check_names(given, names(), "A training")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        if isinstance(self.run_dir, os.PathLike):
            object.__setattr__(self, "run_dir", os.fspath(self.run_dir))
        for name, kind in _KINDS.items():
            kind.check(name, getattr(self, name))
        object.__setattr__(self, "backends", _read_backends(self.backends))
        entangling_pairs(self.entanglement, self.n_qubits)
        get_ansatz(self.ansatz)
        observable_strings(self.observables, self.n_qubits)
        self._check_together()

    def _check_together(self) -> None:
        if self.ml_framework != "tensorflow":
            raise ConfigurationError(
                describe(
                    "Models of PyTorch are not trained here yet",
                    expected="ml_framework='tensorflow'",
                    received=self.ml_framework,
                )
            )
        if not self.min_shots <= self.base_shots <= self.max_shots:
            raise ConfigurationError(
                describe(
                    "The shots of adaptive_shot_allocation are out of order",
                    expected="min_shots <= base_shots <= max_shots",
                    received=(self.min_shots, self.base_shots, self.max_shots),
                )
            )
        if self.min_circuit_depth is not None and self.min_circuit_depth > self.circuit_depth:
            raise ConfigurationError(
                describe(
                    "min_circuit_depth is more than circuit_depth",
                    expected=f"at most {self.circuit_depth}",
                    received=self.min_circuit_depth,
                )
            )
        if self.gradient_method == "adjoint" and (self.shots or self.adaptive_shot_allocation):
            raise ConfigurationError(
                describe(
                    "gradient_method='adjoint' reads state vectors, and shots give none",
                    expected="gradient_method='auto' or 'parameter_shift' with shots",
                    received={
                        "shots": self.shots,
                        "adaptive_shot_allocation": self.adaptive_shot_allocation,
                    },
                )
            )

        for entry in self.backends:
            if entry.name in self._within(entry):
                raise ConfigurationError(
                    describe(
                        f"The backend {entry.name!r} is a member of itself",
                        expected="members that are other backends",
                        received=list(entry.members),
                    )
                )

    def _within(self, entry: BackendConfig) -> set[str]:
        """The names of all that an entry is made of, members of members too."""
        found: set[str] = set()
        waiting = list(entry.members)
        while waiting:
            name = waiting.pop()
            inner = None if name in found else self.backend(name)
            found.add(name)
            waiting += () if inner is None else inner.members
        return found

    def replace(self, **changes: Any) -> TrainingConfig:
        """Returns this configuration with some settings changed.

        Raises:
            ConfigurationError: As where it is made.

        Example:
            >>> TrainingConfig(epochs=3).replace(seed=1).epochs
            3
        """
        checks.check_names(changes, names(), "A training")
        return replace(self, **changes)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> TrainingConfig:
        """Returns the configuration of plain data, as `to_dict` gives it."""
        if not isinstance(settings, Mapping):
            raise ConfigurationError(
                describe(
                    "A configuration is a table of settings",
                    expected="names and values",
                    received=type(settings).__name__,  # its content may hold a secret
                )
            )
        return cls(**{str(key): value for key, value in settings.items()})

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> TrainingConfig:
        """Returns the configuration of a file: .toml, .yaml, .yml or .json.

        Raises:
            ConfigurationError: The file cannot be read, or as where it is made.
            LibraryError: A YAML file needs PyYAML, which is not installed.
        """
        from qstore_tf.training.config_files import read_settings

        return cls.from_dict(read_settings(path))

    def to_dict(self) -> dict[str, Any]:
        """Returns all settings as plain data, which JSON, YAML and, without None, TOML can hold."""
        values = {name: getattr(self, name) for name in names()}
        values["backends"] = [entry.to_dict() for entry in self.backends]
        return values

    def has_workers(self, environment: Mapping[str, str] | None = None) -> bool:
        """Whether the training runs on several workers: as asked, or as the environment says.

        Args:
            environment: Variables; None: those of this process.
        """
        if self.distributed_strategy != "auto":
            return self.distributed_strategy == "multi_worker"
        variables = os.environ if environment is None else environment
        return any(variables.get(name, "").strip() for name in _WORKERS)

    @property
    def layer_shots(self) -> int | None:
        """The shots that the quantum layer is made with."""
        if self.shots is None and self.adaptive_shot_allocation:
            return self.base_shots
        return self.shots

    def backend(self, name: str) -> BackendConfig | None:
        """Returns the entry of a name; None where there is none."""
        return next((entry for entry in self.backends if entry.name == name), None)

    def backends_for(self, purpose: str) -> tuple[BackendConfig, ...]:
        """Returns the entries for "training", "validation" or "production", in their order.

        Members of others are among them only where they say so and no other entry is. Where none
        is for validation or production, those for training.
        """
        members = {member for entry in self.backends for member in entry.members}
        usable = [entry for entry in self.backends if entry.name not in members]
        found = tuple(entry for entry in usable if entry.is_for(purpose))
        found = found or tuple(entry for entry in self.backends if purpose in entry.use_for)
        return found if found or purpose == "training" else self.backends_for("training")


def names() -> tuple[str, ...]:
    """Returns the names of all settings."""
    return tuple(part.name for part in fields(TrainingConfig))


_KINDS: dict[str, Kind] = {
    "n_qubits": whole(1, MAX_QUBITS),
    "circuit_depth": whole(1, 1000),
    "encoding": one_of(ENCODINGS),
    "ansatz": text(),
    "entanglement": text(),
    "observables": text(),
    "task": one_of(TASKS),
    "n_outputs": whole(1, 100_000, optional=True),
    "auto_backend_selection": flag(),
    "routing_priority": one_of(PRIORITIES),
    "routing_precision": number(0, 1),
    "shots": whole(1, _MOST, optional=True),
    "gradient_method": one_of(GRADIENTS),
    "cost_budget": number(0, _MOST, optional=True),
    "on_budget_exceeded": one_of(("stop", "fallback")),
    "fallback_backend": text(),
    "batch_size": whole(1, 1_000_000),
    "epochs": whole(1, 100_000),
    "learning_rate": number(0, 10, above=True),
    "optimizer": one_of(OPTIMIZERS),
    "seed": whole(0, 2**31 - 1, optional=True),
    "ml_framework": one_of(_FRAMEWORKS),
    "distributed_strategy": one_of(STRATEGIES),
    "adaptive_circuit_depth": flag(),
    "min_circuit_depth": whole(1, 1000, optional=True),
    "circuit_depth_schedule": one_of(SCHEDULES),
    "circuit_depth_direction": one_of(("down", "up")),
    "adaptive_shot_allocation": flag(),
    "shot_rule": one_of(("progress", "snr")),
    "min_shots": whole(1, _MOST),
    "base_shots": whole(1, _MOST),
    "max_shots": whole(1, _MOST),
    "run_dir": text(optional=True),
    "checkpoint_interval": whole(1, _MOST, optional=True),
    "data": text(optional=True),
}


def _read_backends(given: Any) -> tuple[BackendConfig, ...]:
    if isinstance(given, str | Mapping) or not isinstance(given, list | tuple):
        raise ConfigurationError(
            describe(
                "The setting 'backends' is a list",
                expected="[{'name': ..., 'type': ..., 'use_for': ...}, ...]",
                received=given,
            )
        )
    entries = tuple(BackendConfig.read(each, place) for place, each in enumerate(given))
    called = [entry.name for entry in entries]
    for name in called:
        if called.count(name) > 1:
            raise ConfigurationError(
                describe(
                    f"Two backends are called {name!r}",
                    expected="a name of its own for each",
                    received=called,
                )
            )
    return entries
