"""Sessions, in version 0.4 of the API."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from qstore_tf.ionq.emulator.answers import bad_request
from qstore_tf.ionq.emulator.service import body_of, caller_of, service_of

router = APIRouter(prefix="/v0.4")


@router.post("/sessions", status_code=201)
def create(request: Request) -> dict[str, Any]:
    """Opens a session."""
    sessions, caller = service_of(request).sessions, caller_of(request)
    return sessions.body(sessions.create(body_of(request), caller))


@router.get("/sessions")
def list_sessions(request: Request) -> dict[str, Any]:
    """Lists sessions, the newest first."""
    sessions, caller = service_of(request).sessions, caller_of(request)
    word = request.query_params.get("active")
    if word is not None and word.casefold() not in ("true", "false"):
        bad_request('"active" must be true or false', "active")
    active = None if word is None else word.casefold() == "true"
    made = [sessions.body(session) for session in sessions.all_of(caller, active)]
    return {"organization_id": caller.organization, "sessions": made}


@router.get("/sessions/{session_id}")
def get_session(request: Request, session_id: str) -> dict[str, Any]:
    """Tells how a session is doing."""
    sessions = service_of(request).sessions
    return sessions.body(sessions.find(session_id, caller_of(request)))


@router.post("/sessions/{session_id}/end")
def end(request: Request, session_id: str) -> dict[str, Any]:
    """Ends a session."""
    sessions, caller = service_of(request).sessions, caller_of(request)
    return sessions.body(sessions.end(sessions.find(session_id, caller), caller))
