"""One backend of a `TrainingConfig`: what it is, and what it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from qstore_tf.backends import registry
from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.training import config_checks as checks
from qstore_tf.training.secret_keys import refuse_secrets

PURPOSES = ("training", "validation", "production")
# Version 4.0's names of kinds of backends: the name here, and the options that go with it.
_TYPES: dict[str, tuple[str, dict[str, Any]]] = {
    "lightning.qubit": ("lightning", {"device": "lightning.qubit"}),
    "lightning.gpu": ("lightning", {"device": "lightning.gpu"}),
    "lightning.kokkos": ("lightning", {"device": "lightning.kokkos"}),
    "ionq_hardware": ("ionq", {}),
}
_DEVICES = {"cpu": "lightning.qubit", "gpu": "lightning.gpu", "cuda": "lightning.gpu"}
_WITH_TARGET = ("ionq", "ionq_hardware", "ionq_simulator")
_WITH_DEVICE = ("lightning", "lightning.qubit", "lightning.gpu", "lightning.kokkos")
_WITH_MEMBERS = ("router", "pool")


@dataclass(frozen=True)
class BackendConfig:
    """A backend that a training may use.

    Attributes:
        name: What the training calls it.
        type: What it is: a name that `qstore_tf.backends.get` takes ("native", "qsim", "ionq",
            ...), version 4.0's "lightning.gpu" and "ionq_hardware", or "pool" and "router" for
            several at once.
        use_for: What it is for, one or more of "training", "validation" and "production"
            (predictions); nothing: all of them.
        device: Of Lightning: "cpu", "gpu", "cuda:0", or PennyLane's name such as
            "lightning.kokkos".
        target: Of IonQ: "simulator", "qpu.forte-1" and the like.
        members: Of a pool or router: the names of the entries, or of backends, that it is made of.
        options: Further keyword arguments of the backend, such as `{"num_threads": 2}`.

    Raises:
        ConfigurationError: A value that cannot be used, or two that do not go together.

    Example:
        >>> BackendConfig("fast", "native", use_for="training").use_for
        ('training',)
    """

    name: str
    type: str
    use_for: tuple[str, ...] = ()
    device: str | None = None
    target: str | None = None
    members: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.text().check("name", self.name)
        where = f"the backend {self.name!r}"
        _known_type(self.type, where)
        for name in ("use_for", "members"):
            given = getattr(self, name)
            if not isinstance(given, str | list | tuple | None):
                expected = "names"
                raise ConfigurationError(
                    describe(f"{name} of {where} is no list", expected=expected, received=given)
                )
            words = (given,) if isinstance(given, str) else tuple(given or ())
            object.__setattr__(self, name, () if words == ("all",) else words)
        for purpose in self.use_for:
            checks.one_of(PURPOSES).check(f"use_for of {where}", purpose)
        for name, types in (
            ("target", _WITH_TARGET),
            ("device", _WITH_DEVICE),
            ("members", _WITH_MEMBERS),
        ):
            value = getattr(self, name)
            if value and self.type not in types:
                raise ConfigurationError(
                    describe(
                        f"{where[0].upper()}{where[1:]} of type {self.type!r} takes no {name!r}",
                        expected=f"{name!r} with type " + " or ".join(map(repr, types)),
                        received=value,
                    )
                )
            for part in value if isinstance(value, tuple) else (value,):
                checks.text(optional=True).check(f"{name} of {where}", part)
        fixed = _TYPES.get(self.type, ("", {}))[1].get("device")
        if self.device and fixed not in (None, _lightning_device(self.device)):
            raise ConfigurationError(
                describe(
                    f"Type and device of {where} contradict each other",
                    expected=f"no device, or {fixed!r}",
                    received=self.device,
                )
            )
        if self.type in _WITH_MEMBERS and not self.members:
            raise ConfigurationError(
                describe(
                    f"{where[0].upper()}{where[1:]} has no members",
                    expected="members=[...], names of other backends",
                )
            )
        if not isinstance(self.options, Mapping):
            raise ConfigurationError(
                describe(
                    f"The options of {where} are names and values",
                    expected="a table such as {'num_threads': 2}",
                    received=self.options,
                )
            )
        refuse_secrets(self.options, f"the options of {where}")
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))

    @classmethod
    def read(cls, given: Any, number: int) -> BackendConfig:
        """Returns a backend from what a configuration says of it.

        Args:
            given: A `BackendConfig`, a mapping of its attributes, or the name of a backend.
            number: Its place in the list, from 0; the name of one that has none.

        Raises:
            ConfigurationError: It cannot be read.
        """
        if isinstance(given, BackendConfig):
            return given
        if isinstance(given, str):
            return cls(given, given)
        if not isinstance(given, Mapping):
            raise ConfigurationError(
                describe(
                    f"Entry {number} of 'backends' is no backend",
                    expected="{'name': ..., 'type': ..., 'use_for': ...}, or a name",
                    received=given,
                )
            )
        refuse_secrets(given, f"entry {number} of 'backends'")
        known = [part.name for part in fields(cls)]
        checks.check_names(given, known, f"Entry {number} of 'backends'")
        if "type" not in given:
            raise ConfigurationError(
                describe(
                    f"Entry {number} of 'backends' does not say what it is",
                    expected="'type', such as 'native' or 'ionq'",
                    received=dict(given),
                )
            )
        return cls(**{"name": given["type"], **given})

    def is_for(self, purpose: str) -> bool:
        """Whether it may be used for "training", "validation" or "production"."""
        return not self.use_for or purpose in self.use_for

    def arguments(self) -> tuple[str, dict[str, Any]]:
        """Returns the name and the options with which `qstore_tf.backends.get` makes it."""
        name, options = _TYPES.get(self.type, (self.type, {}))
        options = {**options, **self.options}
        if self.target is not None:
            options["target"] = self.target
        if self.device is not None:
            options["device"] = _lightning_device(self.device)
        return name, options

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data from which `read` makes the same; what is not set is left out."""
        found: dict[str, Any] = {"name": self.name, "type": self.type}
        for name in ("use_for", "members"):
            if getattr(self, name):
                found[name] = list(getattr(self, name))
        for name in ("device", "target"):
            if getattr(self, name) is not None:
                found[name] = getattr(self, name)
        if self.options:
            found["options"] = dict(self.options)
        return found

    def __hash__(self) -> int:
        """Goes with equality."""
        return hash((self.name, self.type, self.use_for, repr(sorted(self.options.items()))))

    def __reduce__(self) -> Any:
        """A read-only view of options cannot be pickled; what it was made of can."""
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        return _make, ({**values, "options": dict(self.options)},)


def _lightning_device(device: str) -> str:
    return _DEVICES.get(device.partition(":")[0], device)


def _make(values: dict[str, Any]) -> BackendConfig:
    return BackendConfig(**values)


def _known_type(given: Any, where: str) -> None:
    known = ("auto", *registry.names(), *_TYPES, *_WITH_MEMBERS)
    if not isinstance(given, str) or given not in known:
        raise ConfigurationError(
            describe(
                f"The type of {where} is unknown",
                received=given,
                hint=did_you_mean(str(given)[:100], known),
            )
        )
