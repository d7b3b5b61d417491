"""The backends of a configuration: each made once, with the account of the training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qstore_tf import backends
from qstore_tf.backends import Backend
from qstore_tf.backends.arrays.base import ArrayBackend
from qstore_tf.backends.registry import SERVICES
from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.training.account import Account
from qstore_tf.training.backend_config import BackendConfig
from qstore_tf.training.config import TrainingConfig


class ChosenBackends:
    """Turns what a configuration says, or a caller asks for, into backends.

    Args:
        config: Its entries, `auto_backend_selection` and `routing_priority` are read.

    Example:
        >>> chosen = ChosenBackends(TrainingConfig(backends=[{"name": "a", "type": "tensorflow"}]))
        >>> chosen.get("a").name, chosen.for_phase("validation") is chosen.get("a")
        ('tensorflow', True)
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.made: dict[str, Backend] = {}
        self.account = Account(config, self._fallback())

    def for_phase(self, purpose: str, asked: Any = None) -> Backend:
        """Returns the backend of a phase.

        Args:
            purpose: "training", "validation" or "production".
            asked: What a caller wants instead: the name of an entry or of a backend, a backend,
                or a list of these, from which a router chooses. None: what the configuration says.

        Raises:
            ConfigurationError: There is no such backend.
        """
        if asked is not None:
            return self.get(asked)
        entries = self.config.backends_for(purpose)
        if not entries:
            return self.get("auto")
        if len(entries) == 1 or not self.config.auto_backend_selection:
            return self.get(entries[0].name)
        return self.get([entry.name for entry in entries])

    def get(self, asked: Any) -> Backend:
        """Returns a backend by the name of its entry, by its own, or as it is; a router of a list.

        Raises:
            ConfigurationError: There is no such backend.
        """
        if isinstance(asked, Backend | ArrayBackend):
            return self._given(asked)
        if isinstance(asked, Sequence) and not isinstance(asked, str):
            return self._keep(", ".join(map(_called, asked)), lambda: self._router(asked))
        entry = self.config.backend(asked) if isinstance(asked, str) else None
        if entry is not None:
            return self._keep(entry.name, lambda: self._of_entry(entry))
        if asked == "auto":
            asked = backends.get("auto").name  # reports say what it is here
        if asked in SERVICES:
            return self._keep(asked, lambda: self._of_entry(BackendConfig(asked, asked)))
        try:
            return self._keep(str(asked), lambda: backends.get(asked))
        except ConfigurationError as error:
            named = [entry.name for entry in self.config.backends]
            known = [*named, "auto", *backends.available()]
            raise ConfigurationError(
                describe(
                    "There is no backend of this name",
                    expected="the name of an entry of 'backends', or of a backend",
                    received=asked,
                    hint=did_you_mean(str(asked)[:100], known),
                )
            ) from error

    def name_of(self, backend: Any) -> str:
        """Returns what the training calls a backend, or one in NumPy that was lifted."""
        for name, each in self.made.items():
            if backend is each or backend is getattr(each, "arrays", None):
                return name
        return str(backend.name)

    def _given(self, backend: Backend | ArrayBackend) -> Backend:
        """One that the caller has made, under a name that no other has."""
        for each in self.made.values():
            if backend is each or backend is getattr(each, "arrays", None):
                return each
        name, number = backend.name, 1
        while name in self.made or self.config.backend(name) is not None:
            number += 1
            name = f"{backend.name}_{number}"
        return self._keep(name, lambda: backends.get(backend))

    def _keep(self, name: str, make: Any) -> Backend:
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def _of_entry(self, entry: BackendConfig) -> Backend:
        if entry.type == "pool":
            from qstore_tf.routing.pool import Pool

            members = [self.get(name) for name in entry.members]
            return backends.get(Pool(members, **entry.options))
        if entry.type == "router":
            return self._router(entry.members, entry.options)
        name, options = entry.arguments()
        if name in SERVICES:
            account = {"budget": self.account.budget, "tracker": self.account.tracker}
            options = {**account, **options}
        return backends.get(name, **options)

    def _router(self, members: Sequence[Any], options: Any = None) -> Backend:
        from qstore_tf.routing.router import Router

        made = [self.get(each) for each in members]
        given = {
            "priority": self.config.routing_priority,
            "precision": self.config.routing_precision,
            **(options or {}),
        }
        return backends.get(Router(made, **given))

    def _fallback(self) -> Any:
        name = self.config.fallback_backend
        entry = self.config.backend(name)
        found, options = (name, {}) if entry is None else entry.arguments()
        if found in (*SERVICES, "router", "pool"):
            raise ConfigurationError(
                describe(
                    "What is done when the budget is spent must cost nothing",
                    expected="fallback_backend= a simulator on this machine",
                    received=name,
                )
            )
        if entry is None:
            return name
        return backends.get(found, **options)


def _called(asked: Any) -> str:
    return asked if isinstance(asked, str) else str(getattr(asked, "name", asked))
