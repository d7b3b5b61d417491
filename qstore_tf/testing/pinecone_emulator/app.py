"""The routes: indexes at the root, and the data of each index below /data/NAME."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from qstore_tf.testing.pinecone_emulator import data
from qstore_tf.testing.pinecone_emulator.records import Index
from qstore_tf.testing.pinecone_emulator.settings import VERSIONS, Refused, Settings

Json = dict[str, Any]


class State:
    """What outlives a restart of the server.

    Args:
        settings: How it behaves.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = ""
        self.indexes: dict[str, Index] = {}

    def index(self, name: str, is_control: bool = False) -> Index:
        """An index.

        Raises:
            Refused: There is none.
        """
        if name not in self.indexes:
            raise Refused(404, f"Resource {name} not found", is_control=is_control)
        return self.indexes[name]


def create_app(state: State) -> FastAPI:
    """Makes the application."""
    app = FastAPI(title="Pinecone's wire", openapi_url=None)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return JSONResponse(error.body(), error.status, error.headers)

    def check(request: Request, is_control: bool) -> str:
        """Who asks, and in which version of the API, which is returned."""
        key, wanted = request.headers.get("api-key", ""), state.settings.api_key
        if not key or wanted not in (None, key):
            raise Refused(401, "Invalid API Key", is_control=is_control)
        version = request.headers.get("x-pinecone-api-version", VERSIONS[-1])
        if version not in VERSIONS:
            raise Refused(400, f"Unknown API version {version}", is_control=is_control)
        return version

    # Indexes.

    @app.get("/indexes")
    async def list_indexes(request: Request) -> Json:
        version = check(request, True)
        for index in state.indexes.values():
            index.asked += 1
        return {"indexes": [_model(state, one, version) for one in state.indexes.values()]}

    @app.post("/indexes")
    async def create(request: Request) -> JSONResponse:
        version = check(request, True)
        index = _read_index(await _json(request), state.settings)
        if index.name in state.indexes:
            raise Refused(409, "Resource already exists", is_control=True)
        state.indexes[index.name] = index
        return JSONResponse(_model(state, index, version), 201)

    @app.get("/indexes/{name}")
    async def describe(name: str, request: Request) -> Json:
        version = check(request, True)
        index = state.index(name, True)
        index.asked += 1
        return _model(state, index, version)

    @app.delete("/indexes/{name}")
    async def drop(name: str, request: Request) -> JSONResponse:
        check(request, True)
        state.index(name, True)
        del state.indexes[name]
        return JSONResponse({}, 202)

    # Data.

    @app.api_route("/data/{name}/{path:path}", methods=["GET", "POST", "DELETE"])
    async def answer(name: str, path: str, request: Request) -> JSONResponse:
        version = check(request, False)
        index = state.index(name)
        if not index.is_ready:
            raise Refused(503, "The index is not ready")
        for method, pattern, route in data.ROUTES:
            found = pattern.fullmatch(path)
            if method == request.method and found:
                raw = await request.body()
                asked = data.Asked(
                    index, version, _object(raw), request.query_params, found.groups(), len(raw)
                )
                body, headers = route(asked)
                return JSONResponse(body, headers=headers if state.settings.tells_lsn else {})
        raise Refused(404, f"There is no {request.method} /{path}")

    return app


def _object(raw: bytes) -> Json:
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise Refused(400, "The body is no JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "The body must be an object")
    return body


async def _json(request: Request) -> Json:
    return _object(await request.body())


def _read_index(body: Json, settings: Settings) -> Index:
    """Reads a new index in either version's words."""
    if "schema" in body:
        fields = list(body["schema"].get("fields", {}).values())
        place = body.get("deployment") or {"cloud": "aws", "region": "us-east-1"}
    else:
        fields = [{"type": "dense_vector", **body}] if body.get("vector_type") != "sparse" else []
        place = body.get("spec", {}).get("serverless", {})
    dense = [one for one in fields if one.get("type") == "dense_vector" or "dimension" in one]
    if len(dense) != 1 or not {"cloud", "region"} <= set(place):
        raise Refused(
            400, "This emulator has serverless indexes of one dense vector", is_control=True
        )
    name = body.get("name")
    if not isinstance(name, str) or not _is_name(name):
        raise Refused(
            400,
            "Name must consist of lower case alphanumeric characters or '-', and have at most 45",
            is_control=True,
        )
    return Index(
        name,
        dense[0].get("dimension"),
        dense[0].get("metric") or "cosine",
        place["cloud"],
        place["region"],
        body.get("tags") or {},
        settings,
    )


def _is_name(name: str) -> bool:
    good = all(c.isdigit() or "a" <= c <= "z" or c == "-" for c in name)
    return good and name.isascii() and 1 <= len(name) <= 45 and "-" not in (name[0], name[-1])


def _model(state: State, index: Index, version: str) -> Json:
    """An index as it is told, in the words of a version."""
    ready = index.is_ready
    common: Json = {
        "name": index.name,
        "host": f"{state.url}/data/{index.name}",
        "status": {"ready": ready, "state": "Ready" if ready else "Initializing"},
        "deletion_protection": "disabled",
        "tags": index.tags,
    }
    place = {"cloud": index.cloud, "region": index.region}
    kind = {"dimension": index.dimension, "metric": index.metric}
    if version == VERSIONS[0]:
        capacity = {"mode": "OnDemand", "status": {"state": "Ready"}}
        spec = {"serverless": {**place, "read_capacity": capacity}}
        return {**common, **kind, "vector_type": "dense", "spec": spec}
    return {
        **common,
        "schema": {"fields": {"_values": {"type": "dense_vector", **kind}}},
        "deployment": {"deployment_type": "managed", **place, "environment": "emulated"},
    }
