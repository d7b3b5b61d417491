"""Who asks, what an organization has used, and the schemas of formats, in version 0.4."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from qstore_tf.ionq.emulator.answers import not_found
from qstore_tf.ionq.emulator.schemas import SCHEMAS
from qstore_tf.ionq.emulator.service import caller_of, service_of
from qstore_tf.ionq.emulator.usage import usage

router = APIRouter(prefix="/v0.4")


@router.get("/whoami")
def whoami(request: Request) -> dict[str, Any]:
    """Tells which key was used."""
    caller = caller_of(request)
    return {
        "key_id": caller.key_id,
        "key_name": "local key",
        "organization_id": caller.organization,
    }


@router.get("/organizations/{organization}/usage")
def get_usage(request: Request, organization: str) -> dict[str, Any]:
    """Tells what an organization has used."""
    caller, service = caller_of(request), service_of(request)
    if organization != caller.organization:
        not_found()
    return usage(service.store, organization, dict(request.query_params), service.jobs.now)


@router.get("/schemas/formats/{name}")
def schema(name: str) -> dict[str, Any]:
    """The schema of a format of results or circuits."""
    found = SCHEMAS.get(name)
    return found if found is not None else not_found()
