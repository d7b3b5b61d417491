"""The calls of IonQ's API: one method each, with retries where a repetition does no harm.

status                          a GET, a cancel                a submission
no connection                   again, after a pause           surely not accepted: again
time-out, broken connection,    again                          unclear: see `submitting`
408, 5xx, answer no JSON
429                             again, after Retry-After       surely not accepted: again
401, 403                        AuthenticationError            AuthenticationError
404                             NotThere                       RefusedError
409                             again (a proxy's)              RefusedError
other 4xx, redirects            RefusedError                   RefusedError
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import quote

from qstore_tf.errors import (
    AuthenticationError,
    PriceError,
    RefusedError,
    ServiceError,
    UnreachableError,
    describe,
)
from qstore_tf.ionq.money.rates import parse_money_json
from qstore_tf.ionq.service.clock import Clock, Patience
from qstore_tf.ionq.service.counting import Counts
from qstore_tf.ionq.service.jobs import Job, read_job
from qstore_tf.ionq.service.network import Answer, Broken, Http, NotSent, Wire
from qstore_tf.ionq.service.retrying import CircuitBreaker, Retries, retry_after
from qstore_tf.ionq.service.server import Server
from qstore_tf.ionq.service.versions import VERSIONS, Body

_E = TypeVar("_E", bound=ServiceError)
_log = logging.getLogger("qstore_tf")
_PAGE = 100  # jobs of a page of a list
_MOST_PAGES = 200
_LONGEST = 500  # characters of the service's words
_SILENT = 3  # failures in a row that nobody hears of
_BETWEEN_S = 30.0  # at least, two warnings that calls fail
_TOP = ("/jobs", "/sessions")  # what every such service has


class NotThere(RefusedError):
    """There is nothing at this address, or not yet."""


class NotAccepted(UnreachableError):
    """A submission was surely not accepted; it may be made again, after `pause_s` if said."""

    pause_s: float | None = None


class Unclear(ServiceError):
    """Whether a submission was accepted cannot be told from what came back."""


class Transport(Protocol):
    """The calls that running work needs; see `Client`, and `CirqTransport` for another way."""

    def submit(self, body: Body, patience: Patience) -> str:
        """Sends a job, once; returns its id. Errors as in `Client.submit`."""
        ...

    def job(self, job_id: str, patience: Patience) -> Job:
        """Returns how a job is doing."""
        ...

    def results(self, job: Job, is_multi: bool, aggregation: str | None, patience: Patience) -> Any:
        """Returns the results of a completed job, as the service has them."""
        ...

    def cancel(self, job_id: str, patience: Patience) -> None:
        """Cancels a job, which may be over already."""
        ...

    def listing(self, target: str, session: str | None, patience: Patience) -> Iterator[Job]:
        """Yields jobs, newest first."""
        ...

    def cost(self, job_id: str, patience: Patience) -> dict[str, Any]:
        """Returns what the service says of a job's cost, see `money.rates`; {} where nothing."""
        ...

    def estimate(self, question: Mapping[str, str], patience: Patience) -> dict[str, Any]:
        """Returns what the service says a job would cost, see `money.rates`; {} where nothing."""
        ...

    def close(self) -> None:
        """Closes connections."""
        ...


class Client:
    """IonQ's API over HTTP. Safe for threads.

    Args:
        server: Where, and by whom.
        clock: The clock.
        retries: Pauses between tries.
        breaker: Shared by all calls to a server.
        counts: Where requests and retries are counted.
        wire: What makes requests; None: httpx.
        rng: Spreads pauses.
    """

    def __init__(
        self,
        server: Server,
        clock: Clock | None = None,
        retries: Retries | None = None,
        breaker: CircuitBreaker | None = None,
        counts: Counts | None = None,
        wire: Wire | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.server, self.clock = server, clock or Clock()
        self._names = VERSIONS[server.version]
        self._retries = retries or Retries()
        self._breaker = breaker or CircuitBreaker(self.clock)
        self._counts = counts or Counts()
        self._wire: Wire = wire or Http(server)
        self._rng = rng
        self._failures, self._warned = 0, -math.inf

    def submit(self, body: Body, patience: Patience) -> str:
        """Sends a job, once.

        Returns:
            Its id.

        Raises:
            NotAccepted: It surely was not accepted.
            Unclear: Nobody knows.
            AuthenticationError: The key is not good.
            RefusedError: The service refuses such a job; `text` has its words.
            Over: The patience is, and nothing was sent.
        """
        self._admitted(patience)
        text = body.text(self.server.version)
        try:
            answer = self._send("POST", "/jobs", None, text)
        except NotSent as error:
            raise _error(NotAccepted, f"The service cannot be reached: {error}") from None
        except Broken as error:
            raise _error(Unclear, f"A submission has no clear answer: {error}") from None
        if answer.status == 429:
            pause = retry_after(answer.headers.get("retry-after"), self.clock.time())
            refusal = self._refusal(NotAccepted, "The service takes no more for now", answer)
            refusal.pause_s = pause
            raise refusal
        if _is_transient(answer.status) or answer.status == 303:
            raise self._refusal(Unclear, "A submission has no clear answer", answer)
        self._raise_for(answer, "The service refuses a job", "/jobs")
        identity = _json(answer).get("id")
        if not isinstance(identity, str) or not identity:
            raise self._refusal(Unclear, "The answer to a submission names no job", answer)
        return identity

    def job(self, job_id: str, patience: Patience) -> Job:
        """Returns how a job is doing.

        Raises:
            NotThere: There is no such job.
            ServiceError: See above.
            Over: The patience is.
        """

        def read(answer: Answer) -> Job | None:
            return read_job(_json(answer))

        return self._repeated("GET", f"/jobs/{quote(job_id, safe='')}", read, patience)

    def results(self, job: Job, is_multi: bool, aggregation: str | None, patience: Patience) -> Any:
        """Returns the results of a completed job, as the service has them; errors as in `job`.

        Args:
            job: The job.
            is_multi: Whether it has several circuits.
            aggregation: "average", "voting" or whatever else the service knows.
            patience: For how long.
        """
        base = f"/jobs/{quote(job.id, safe='')}"
        params = {} if aggregation is None else self._aggregated(aggregation)

        def read(answer: Answer) -> Any:
            return _json(answer) or None

        path = base + (self._names.aggregated if is_multi else self._names.results)
        try:
            return self._repeated("GET", path, read, patience, params)
        except NotThere:
            artifact = self._artifact(base, is_multi, patience)
            if artifact is None:
                raise
            return self._repeated("GET", artifact, read, patience, params)

    def cancel(self, job_id: str, patience: Patience) -> None:
        """Cancels a job; one that is over already stays as it is. Errors as in `job`."""
        path = f"/jobs/{quote(job_id, safe='')}/status/cancel"
        with contextlib.suppress(NotThere):
            self._repeated("PUT", path, lambda answer: True, patience)

    def listing(self, target: str, session: str | None, patience: Patience) -> Iterator[Job]:
        """Yields the jobs of a target, newest first, page by page.

        Errors as in `job`, and a ServiceError where pages repeat or have no end.
        """
        params = {"target": target, "limit": str(_PAGE)}
        if session is not None and self._names.has_sessions:
            params["session_id"] = session
        seen = set()
        for _ in range(_MOST_PAGES):
            page = self._repeated("GET", "/jobs", _page, patience, params)
            yield from filter(None, map(read_job, page["jobs"]))
            following = page.get("next")
            if not isinstance(following, str) or not following:
                return
            if following in seen:
                break
            seen.add(following)
            params["next"] = following
        raise ServiceError(
            describe(
                "The service's list of jobs has no end: what is further down cannot be told",
                expected=f"at most {_MOST_PAGES} pages, each another one",
                received=f"{len(seen) + 1} pages",
            )
        )

    def cost(self, job_id: str, patience: Patience) -> dict[str, Any]:
        """Returns what the service says of a job's cost, see `money.rates`; {} where nothing."""
        path = f"/jobs/{quote(job_id, safe='')}/cost"
        return self._money(path, {}, patience) if self._names.has_costs else {}

    def estimate(self, question: Mapping[str, str], patience: Patience) -> dict[str, Any]:
        """Returns what the service says a job would cost; {} where nothing.

        Args:
            question: `backend`, `type`, `qubits`, `shots`, `1q_gates`, `2q_gates` and
                `error_mitigation`, as text.
            patience: For how long.
        """
        return self._money("/jobs/estimate", question, patience) if self._names.has_costs else {}

    def backend(self, target: str, patience: Patience) -> dict[str, Any]:
        """Returns what the service says of a machine. Errors as in `job`."""

        def read(answer: Answer) -> dict[str, Any] | None:
            return _json(answer) or None

        return cast(
            dict[str, Any],
            self._repeated("GET", f"/backends/{quote(target, safe='')}", read, patience),
        )

    def open_session(self, target: str, settings: Mapping[str, Any], patience: Patience) -> str:
        """Opens a session and returns its id. Errors as in `job`."""
        body = json.dumps({"backend": target, "settings": settings})

        def read(answer: Answer) -> str | None:
            identity = _json(answer).get("id")
            return identity if isinstance(identity, str) and identity else None

        return self._repeated("POST", "/sessions", read, patience, body=body)

    def end_session(self, session: str, patience: Patience) -> None:
        """Ends a session; its jobs go on. Errors as in `job`."""
        path = f"/sessions/{quote(session, safe='')}/end"
        with contextlib.suppress(NotThere):
            self._repeated("POST", path, lambda answer: True, patience)

    def close(self) -> None:
        """Closes connections; a later call opens them again."""
        self._wire.close()

    def _repeated(
        self,
        method: str,
        path: str,
        read: Any,
        patience: Patience,
        params: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> Any:
        """Calls until there is an answer that can be read, which `read` returns, not None."""
        begin, tries = self.clock.monotonic(), 0
        while True:
            self._admitted(patience)
            asked: float | None = None
            try:
                answer = self._send(method, path, params, body)
            except (NotSent, Broken) as error:
                failure: ServiceError = _error(UnreachableError, f"The service fails: {error}")
            else:
                if answer.status == 429 or answer.status == 409 or _is_transient(answer.status):
                    failure = self._refusal(UnreachableError, "The service fails", answer)
                    asked = retry_after(answer.headers.get("retry-after"), self.clock.time())
                else:
                    self._raise_for(answer, f"The service refuses {method} {path}", path)
                    found = read(answer)
                    if found is not None:
                        return found
                    failure = self._refusal(UnreachableError, "An answer makes no sense", answer)
            tries += 1
            pause = self._retries.pause(tries, asked, self._rng)
            if self.clock.monotonic() + pause - begin > self._retries.total_s:
                raise failure
            self._counts.add("retries")
            patience.wait(pause)

    def _send(
        self, method: str, path: str, params: Mapping[str, str] | None, body: str | None
    ) -> Answer:
        self._counts.add("requests")
        try:
            answer = self._wire.send(method, path, params, body)
        except (NotSent, Broken) as error:
            self._breaker.failed()
            self._failed(str(error))
            raise
        if answer.status >= 500:
            self._breaker.failed()
        else:
            self._breaker.succeeded()
        if answer.status == 429 or answer.status >= 500:
            self._failed(f"status {answer.status}")
        else:
            self._failures = 0
        return answer

    def _failed(self, why: str) -> None:
        """Says so, now and then, where calls fail: who waits should know what for."""
        self._failures += 1
        now = self.clock.monotonic()
        if self._failures > _SILENT and now - self._warned > _BETWEEN_S:
            self._warned = now
            _log.warning(
                "IonQ's service at %s does not answer as it should (%s). Each call is tried again "
                "for up to %g s; check IONQ_API_URL, or whether the local IonQ runs",
                self.server.url,
                why,
                self._retries.total_s,
            )

    def _admitted(self, patience: Patience) -> None:
        patience.check()
        while pause := self._breaker.admit():
            patience.wait(pause)

    def _raise_for(self, answer: Answer, what: str, path: str) -> None:
        """Raises where a call was refused for good."""
        if 200 <= answer.status < 300:
            return
        if answer.status in (401, 403):
            error: ServiceError = self._refusal(
                AuthenticationError,
                "IonQ does not accept the API key, or the key may not do this",
                answer,
                f"Check api_key, or IONQ_API_KEY, for {self.server.host}",
            )
        elif 300 <= answer.status < 400:
            hint = "Redirects are not followed: they could take the key to another host. Check "
            hint += "IONQ_API_URL"
            error = self._refusal(RefusedError, f"{what}: it is elsewhere", answer, hint)
        elif answer.status == 404 and path in _TOP:
            where = f"IonQ's service is not at {self.server.url}: there is no {path}"
            error = self._refusal(NotThere, where, answer, "Check IONQ_API_URL")
        else:
            error = self._refusal(NotThere if answer.status == 404 else RefusedError, what, answer)
        raise error

    def _refusal(self, kind: type[_E], what: str, answer: Answer, hint: str | None = None) -> _E:
        text = self.server.mask(_words(answer))
        error = kind(describe(f"{what} (status {answer.status})", received=text, hint=hint))
        error.status, error.text = answer.status, text
        return error

    def _aggregated(self, aggregation: str) -> dict[str, str]:
        # Older servers know `sharpen`, which votes.
        return {
            "aggregation": aggregation,
            "sharpen": "false" if aggregation == "average" else "true",
        }

    def _money(self, path: str, params: Mapping[str, str], patience: Patience) -> dict[str, Any]:
        def read(answer: Answer) -> dict[str, Any] | None:
            try:
                document = parse_money_json(answer.content)
            except PriceError:
                return None
            return document if isinstance(document, dict) and document else None

        try:
            found: dict[str, Any] = self._repeated("GET", path, read, patience, params)
        except RefusedError:
            return {}
        return found

    def _artifact(self, base: str, is_multi: bool, patience: Patience) -> str | None:
        """The path of the results where a job lists them by format alone."""

        def read(answer: Answer) -> dict[str, Any] | None:
            return _json(answer) or None

        listed = self._repeated("GET", base, read, patience).get("results")
        kind = "probabilities-aggregate" if is_multi else "probabilities"
        entry = listed.get(f"ionq.result.{kind}.json.v1") if isinstance(listed, dict) else None
        identity = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(identity, str) or not identity:
            return None
        return f"{base}/artifacts/{quote(identity, safe='')}"


def _error(kind: type[_E], what: str) -> _E:
    return kind(describe(what))


def _is_transient(status: int) -> bool:
    return status >= 500 or status in (408, 425)


def _json(answer: Answer) -> dict[str, Any]:
    """The object in an answer; an empty one where there is none."""
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _page(answer: Answer) -> dict[str, Any] | None:
    document = _json(answer)
    return document if isinstance(document.get("jobs"), list) else None


def _words(answer: Answer) -> str:
    """What the service says of a refusal, from JSON or from the text of whatever answered."""
    document = _json(answer)
    said = document.get("message") or document.get("error") or answer.content[:2000]
    if isinstance(said, bytes):
        said = said.decode("utf-8", "replace")
    return " ".join(str(said).split())[:_LONGEST]
