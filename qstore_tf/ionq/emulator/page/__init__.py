"""The web page of the local IonQ: its files, without a build step and without other servers.

    GET /                       the page
    GET /emulator/page/FILE     its style and scripts

What it shows comes from `qstore_tf.ionq.emulator.page_data`.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from qstore_tf.ionq.emulator import page_data
from qstore_tf.ionq.emulator.answers import not_found

router = APIRouter()
router.include_router(page_data.router)

_HERE = Path(__file__).parent
_FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "drawing.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
# Only what this server sends is run or shown, whatever a name of a job may contain.
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


@router.get("/", include_in_schema=False)
def get_page() -> FileResponse:
    """Sends the page."""
    return FileResponse(_HERE / "page.html", media_type="text/html", headers=_HEADERS)


@router.get("/emulator/page/{name}", include_in_schema=False)
def get_file(name: str) -> FileResponse:
    """Sends one of its files."""
    if name not in _FILES:
        not_found()
    return FileResponse(_HERE / name, media_type=_FILES[name], headers=_HEADERS)
