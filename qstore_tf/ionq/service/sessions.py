"""Sessions: jobs that the service keeps together, with limits that the service itself enforces."""

from __future__ import annotations

from decimal import Decimal
from types import TracebackType
from typing import Any

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.money.amounts import exact
from qstore_tf.ionq.service.client import Client
from qstore_tf.ionq.service.clock import Patience
from qstore_tf.ionq.service.server import Server
from qstore_tf.ionq.service.versions import VERSIONS

_PATIENCE_S = 120.0


class Session:
    """A session on a machine, opened when it is made and ended by `end` or at the end of `with`.

    Its limits hold on the service, so that they also stop what this machine has lost track of.

    Args:
        server: The service; None: as the environment says.
        target: The machine.
        usd: The most that its jobs may cost; None: no limit.
        max_jobs: The most jobs.
        max_minutes: The longest time.
        client: What calls the service; None: a new one.

    Raises:
        ConfigurationError: A limit makes no sense, or the version of the API has no sessions.
        ServiceError: The service refuses, or cannot be reached.
    """

    def __init__(
        self,
        server: Server | None = None,
        target: str = "qpu.forte-1",
        *,
        usd: Decimal | int | str | None = None,
        max_jobs: int | None = None,
        max_minutes: int | None = None,
        client: Client | None = None,
    ) -> None:
        self._client = client or Client(server or Server())
        version = self._client.server.version
        if not VERSIONS[version].has_sessions:
            raise ConfigurationError(
                describe("There are no sessions", expected="API v0.4", received=version)
            )
        settings: dict[str, Any] = {}
        for name, value in (("job_count_limit", max_jobs), ("duration_limit_min", max_minutes)):
            if value is not None:
                if type(value) is not int or value < 1:
                    expected = "an integer of at least 1"
                    what = f"{name} of a session makes no sense"
                    raise ConfigurationError(describe(what, expected=expected, received=value))
                settings[name] = value
        if usd is not None:
            limit = exact(usd, "The limit of a session")
            settings["cost_limit"] = {"unit": "usd", "value": float(limit)}
        patience = Patience(self._client.clock, _PATIENCE_S)
        self.id = self._client.open_session(target, settings, patience)

    def end(self) -> None:
        """Ends the session; jobs that are there go on."""
        self._client.end_session(self.id, Patience(self._client.clock, _PATIENCE_S))

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
