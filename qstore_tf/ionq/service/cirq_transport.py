"""The same calls by the client of cirq-ionq: submissions, states and results.

Its own repetitions are switched off, because it sends jobs again without asking whether they have
arrived; its requests, which have no time-out, are given one. Lists, costs and cancelling, which its
client has not or not safely, go by ours.

cirq-ionq 1.7 speaks v0.4, 1.5 and 1.6 speak v0.3.
"""

from __future__ import annotations

import dataclasses
import json
import random
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from qstore_tf.errors import (
    AuthenticationError,
    ConfigurationError,
    RefusedError,
    ServiceError,
    UnreachableError,
    describe,
)
from qstore_tf.ionq.service.client import Client, NotAccepted, NotThere, Unclear
from qstore_tf.ionq.service.clock import Clock, Patience
from qstore_tf.ionq.service.counting import Counts
from qstore_tf.ionq.service.jobs import Job, read_job
from qstore_tf.ionq.service.retrying import Retries
from qstore_tf.ionq.service.server import Server
from qstore_tf.ionq.service.versions import Body

_T = TypeVar("_T")
_TOO_MANY = "Too Many Requests"  # what cirq-ionq says of status 429
_TIMEOUT_S = 120.0


class CirqTransport(Client):
    """Submits, polls and fetches by `cirq_ionq.Service`.

    Args:
        server: Where, and by whom.
        clock: The clock.
        retries: Pauses between tries.
        counts: Where requests and retries are counted.
        rng: Spreads pauses.
        timeout_s: For one request.

    Raises:
        ConfigurationError: The installed cirq-ionq does not speak the version of the API.
    """

    def __init__(
        self,
        server: Server,
        clock: Clock | None = None,
        retries: Retries | None = None,
        counts: Counts | None = None,
        rng: random.Random | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        super().__init__(server, clock, retries, counts=counts, rng=rng)
        self._timeout_s = timeout_s
        self._services: dict[bool, Any] = {}
        self._lock = threading.Lock()
        from cirq_ionq.ionq_client import _IonQClient

        spoken = getattr(_IonQClient, "SUPPORTED_VERSIONS", {"v0.4"})
        if server.version not in spoken:
            raise ConfigurationError(
                describe(
                    "The cirq-ionq that is installed does not speak this version of the API",
                    expected=" or ".join(sorted(spoken)),
                    received=server.version,
                )
            )

    def submit(self, body: Body, patience: Patience) -> str:
        """Sends a job, once; see `Client.submit`."""
        self._admitted(patience)
        self._counts.add("requests")
        try:
            answer = self._timed(lambda: self._create(body))
        except ServiceError as error:
            if isinstance(error, UnreachableError):
                kind = NotAccepted if _TOO_MANY in str(error) else Unclear
                raise kind(str(error)) from None
            raise
        identity = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(identity, str) or not identity:
            raise Unclear(describe("The answer to a submission names no job"))
        return identity

    def job(self, job_id: str, patience: Patience) -> Job:
        """Returns how a job is doing; see `Client.job`."""
        service = self._service(False)
        found: Job = self._tried(lambda: read_job(service.get_job(job_id)._job), patience)
        return found

    def results(self, job: Job, is_multi: bool, aggregation: str | None, patience: Patience) -> Any:
        """Returns the results of a completed job as the service has them; see `Client.results`."""
        service = self._service(is_multi)
        sharpen = None if aggregation is None else aggregation != "average"

        def fetch() -> Any:
            given = service.get_job(job.id).results(polling_seconds=1, sharpen=sharpen)
            each = [_histogram(result) for result in (given if is_multi else [given])]
            return dict(_named(each, job)) if is_multi else each[0]

        return self._tried(fetch, patience)

    def _create(self, body: Body) -> Any:
        from cirq_ionq.serializer import SerializedProgram

        head = dict(body.head)
        settings = dict(head.get("settings", {}))
        mitigation = settings.pop("error_mitigation", head.get("error_mitigation", {}))
        given = {
            "input": json.loads(body.input_text()),
            "settings": settings,
            "metadata": dict(head["metadata"]),
            "compilation": {},
            "error_mitigation": mitigation,
            "noise": head.get("noise", {}),
            "dry_run": head.get("dry_run", False),
        }
        given["body"] = given["input"]  # what 1.5 and 1.6 call it
        names = {field.name for field in dataclasses.fields(SerializedProgram)}
        program = SerializedProgram(**{k: v for k, v in given.items() if k in names})
        extra = {"session_id": head["session_id"]} if "session_id" in head else None
        more = {"batch_mode": True} if body.is_multi else {}
        client = self._service(body.is_multi)._client
        return client.create_job(
            serialized_program=program,
            repetitions=head["shots"],
            target=head.get("backend") or head["target"],
            name=head["name"],
            extra_query_params=extra,
            **more,
        )

    def _service(self, is_multi: bool) -> Any:
        """A service for jobs of one circuit or of several: it looks for results by its last job."""
        with self._lock:
            if is_multi not in self._services:
                import cirq_ionq

                service = cirq_ionq.Service(
                    remote_host=self.server.host,
                    api_key=self.server.key(),
                    api_version=self.server.version,
                    max_retry_seconds=0,
                )
                service._client.batch_mode = is_multi
                self._services[is_multi] = service
            return self._services[is_multi]

    def _tried(self, call: Callable[[], Any], patience: Patience) -> Any:
        """Calls until there is something that can be read."""
        begin, tries = self.clock.monotonic(), 0
        while True:
            self._admitted(patience)
            self._counts.add("requests")
            failure: ServiceError = UnreachableError(describe("An answer makes no sense"))
            try:
                found = self._timed(call)
                if found is not None:
                    return found
            except UnreachableError as error:
                failure = error
            tries += 1
            pause = self._retries.pause(tries, None, self._rng)
            if self.clock.monotonic() + pause - begin > self._retries.total_s:
                raise failure
            self._counts.add("retries")
            patience.wait(pause)

    def _timed(self, call: Callable[[], _T]) -> _T:
        """Calls in a thread of its own, because cirq-ionq waits for answers without end.

        Raises:
            ServiceError: What cirq-ionq raises, as ours; UnreachableError where it took too long.
        """
        done: list[_T] = []
        failed: list[Exception] = []

        def work() -> None:
            try:
                done.append(call())
            except Exception as error:
                failed.append(error)

        thread = threading.Thread(target=work, name="qstore-cirq-ionq", daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        if done:
            return done[0]
        raise self._ours(failed[0] if failed else TimeoutError("there was no answer")) from None

    def _ours(self, error: Exception) -> ServiceError:
        from cirq_ionq.ionq_exceptions import IonQException

        text = self.server.mask(str(error))[:500]
        if not isinstance(error, IonQException):
            # Time-outs, broken connections, and answers that are no JSON.
            return UnreachableError(describe(f"cirq-ionq fails: {type(error).__name__}: {text}"))
        status = error.status_code
        kind: type[ServiceError] = RefusedError
        if status in (401, 403):
            kind = AuthenticationError
        elif status == 404:
            kind = NotThere
        elif status is not None and (status >= 500 or status in (408, 409, 425)):
            kind = UnreachableError
        ours = kind(describe("cirq-ionq reports an error of the service", received=text))
        ours.status, ours.text = status, text
        return ours


def _named(each: list[dict[str, float]], job: Job) -> list[tuple[str, dict[str, float]]]:
    """Gives each circuit the name that the job has for it, or its place."""
    known = len(job.children) == len(each)
    names = job.children if known else [str(k) for k in range(len(each))]
    return list(zip(names, each, strict=True))


def _histogram(result: Any) -> dict[str, float]:
    """The probabilities of a result of cirq-ionq by the keys of the service."""
    n_qubits = result.num_qubits()
    if hasattr(result, "probabilities"):
        table = result.probabilities()
    else:
        counts = result.counts()
        total = sum(counts.values())
        table = {state: count / total for state, count in counts.items() if count}
    return {
        str(int(f"{state:0{n_qubits}b}"[::-1], 2)): float(value) for state, value in table.items()
    }
