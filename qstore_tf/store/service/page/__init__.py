"""The web page of the service, to look into a database: without a build step or other servers.

    GET /                  the page
    GET /page/FILE         its style, its scripts, and settings.json

It asks the same API as everybody, with the key that its user types in and that it keeps in memory
alone. Its files are public and hold nothing of the database.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

import qstore_tf
from qstore_tf.store.config import QuantumDatabaseConfig

_HERE = Path(__file__).parent
_FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "drawing.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
# Only what this server sends is run or shown, whatever an item's name or metadata may contain.
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def router(config: QuantumDatabaseConfig, needs_key: bool) -> APIRouter:
    """Makes the page's routes.

    Args:
        config: The database's settings, of which the page is told when items are archived.
        needs_key: Whether the API asks for a key.
    """
    made = APIRouter()
    settings = {
        "coherence_threshold": config.coherence_threshold,
        "needs_key": needs_key,
        "version": qstore_tf.__version__,
    }

    @made.get("/", include_in_schema=False)
    def page() -> FileResponse:
        """Sends the page."""
        return FileResponse(_HERE / "page.html", media_type="text/html", headers=_HEADERS)

    @made.get("/page/{name}", include_in_schema=False)
    def file(name: str) -> Response:
        """Sends one of its files."""
        if name == "settings.json":
            return JSONResponse(settings, headers=_HEADERS)
        media_type: Any = _FILES.get(name)
        if media_type is None:
            raise HTTPException(404, "There is no such file.")
        return FileResponse(_HERE / name, media_type=media_type, headers=_HEADERS)

    return made
