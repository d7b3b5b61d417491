"""Lists in pages: which jobs, how many, where they go on."""

from __future__ import annotations

import uuid
from typing import Any

from fastapi import Request

from qstore_tf.ionq.emulator.answers import bad_request
from qstore_tf.ionq.emulator.jobs import MOST_LISTED
from qstore_tf.ionq.emulator.records import Filter
from qstore_tf.ionq.emulator.service import fault_of, service_of

DEFAULT_LIMIT = 25


def filter_of(
    request: Request, organization: str, session: str | None, before: int | None
) -> Filter:
    """Which jobs a request lists."""
    service, query = service_of(request), request.query_params
    ids = [
        one
        for name in ("ids", "ids[]")
        for text in query.getlist(name)
        for one in text.split(",")
        if one
    ]
    if len(ids) > MOST_LISTED:
        bad_request(f'"ids" may hold at most {MOST_LISTED} ids', "ids")
    lag = service.settings.lag_s
    lagging = fault_of(request, "lagging_list")
    if lagging is not None:
        lag = max(lag, lagging.parameters["seconds"])
    backends = query.get("target") or query.get("backend")
    return Filter(
        organization=organization,
        ids=ids or None,
        backends=backends.split(",")[:100] if backends else None,
        session=session,
        submitter=query.get("submitter_id"),
        before=before,
        until=service.jobs.now - lag if lag else None,
    )


def read_limit(request: Request) -> int:
    """How many entries a page may hold."""
    text = request.query_params.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) >= 1):
        bad_request('"limit" must be an integer of at least 1', "limit")
    return min(int(text), MOST_LISTED)


def read_next(request: Request) -> int | None:
    """Where a list goes on."""
    text = request.query_params.get("next")
    if not text:
        return None
    try:
        number = uuid.UUID(text).int
    except ValueError:
        bad_request('"next" is none of ours', "next")
    if number >= 2**62:
        bad_request('"next" is none of ours', "next")
    return number


def page(
    name: str, entries: list[dict[str, Any]], following: int | None, request: Request
) -> dict[str, Any]:
    """A page of a list.

    The schema has `next` always, null at the end. Cirq goes on for ever unless it is absent there,
    and ionq-core breaks unless it is present.
    """
    token = None if following is None else str(uuid.UUID(int=following))
    body: dict[str, Any] = {name: entries}
    if token is not None or not request.headers.get("user-agent", "").startswith("cirq/"):
        body["next"] = token
    return body
