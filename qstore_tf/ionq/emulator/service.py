"""All that the routes share: state, behaviour, and who asks."""

from __future__ import annotations

import importlib
import time
from typing import Any

from fastapi import Request

from qstore_tf.ionq.emulator.answers import read_object
from qstore_tf.ionq.emulator.callers import Caller, Keys
from qstore_tf.ionq.emulator.faults import Fault, Faults
from qstore_tf.ionq.emulator.jobs import Jobs
from qstore_tf.ionq.emulator.requests import Requests
from qstore_tf.ionq.emulator.sessions import Sessions
from qstore_tf.ionq.emulator.settings import Settings, Simulator
from qstore_tf.ionq.emulator.store import Store
from qstore_tf.ionq.emulator.work import Worker


class Service:
    """A local IonQ without its routes.

    Args:
        settings: The behaviour.
        store: The state; None to open that of the settings, which is then closed at the end.
    """

    def __init__(self, settings: Settings, store: Store | None = None) -> None:
        self.settings = settings
        self._owns_store = store is None
        self.store = Store(settings.db, settings.most_bytes) if store is None else store
        self.keys = Keys(settings.keys)
        self.faults = Faults(settings.seed, settings.faults)
        self.requests = Requests()
        self.down_until = 0.0  # by time.monotonic
        self._begin()

    def _begin(self) -> None:
        settings = self.settings
        self.sessions = Sessions(self.store, settings.clock)
        self._worker = Worker(self.store, settings, settings.simulate or _engine())
        self.jobs = Jobs(self.store, settings, self._worker, self.sessions)

    def restart(self, seconds: float) -> None:
        """Forgets all but what is stored, and is gone for some seconds."""
        self.down_until = time.monotonic() + seconds
        self._worker.close()
        self._begin()

    def close(self) -> None:
        """Stops computing."""
        self._worker.close()
        if self._owns_store:
            self.store.close()


def service_of(request: Request) -> Service:
    """The service that a request is for."""
    service: Service = request.app.service
    return service


def caller_of(request: Request) -> Caller:
    """Who sends a request.

    Raises:
        Refusal: The key is missing or wrong.
    """
    return service_of(request).keys.caller(request.headers.get("authorization"))


def body_of(request: Request, *, empty: bool = False) -> dict[str, Any]:
    """The JSON object that a request holds; see `read_object`."""
    return read_object(request.state.body, empty=empty)


def fault_of(request: Request, *names: str) -> Fault | None:
    """The fault that a request meets, if it is one of some."""
    fault: Fault | None = request.state.fault
    return fault if fault is not None and fault.name in names else None


def _engine() -> Simulator:
    # Loaded when it is needed, because it is large.
    engine = importlib.import_module("qstore_tf.ionq.emulator.engine")
    simulate: Simulator = engine.simulate
    return simulate
