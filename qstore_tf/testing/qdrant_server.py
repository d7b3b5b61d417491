"""The part of Qdrant's REST interface that a store needs, over Qdrant's real segments.

The server's binary is in no package; its segments, filters and write-ahead log are, as
`qdrant-edge-py`. This puts them behind HTTP, so that the real client and its wire are run too.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qdrant_edge as edge
import uvicorn
from fastapi import Body, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from qstore_tf.testing import light

VERSION = "1.19.0"  # what it says it is

Json = dict[str, Any]


class Collection:
    """One collection in a folder."""

    def __init__(self, folder: Path, params: Json | None = None) -> None:
        self.lock = threading.Lock()
        self.folder = folder
        note = folder.with_suffix(".json")
        if params is not None:
            distance = getattr(edge.Distance, params["distance"])
            config = edge.EdgeConfig(vectors=edge.EdgeVectorParams(params["size"], distance))
            self.shard = edge.EdgeShard.create(str(folder), config)
            # Last, and whole or not at all: without it there is no collection.
            part = note.with_suffix(".part")
            part.write_text(json.dumps(params))
            part.replace(note)
        else:
            self.shard = edge.EdgeShard.load(str(folder))
        self.params: Json = json.loads(note.read_text())

    def update(self, operation: Any) -> None:
        """Applies an operation."""
        with self.lock:
            self.shard.update(operation)


class Collections:
    """All collections of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, threading.Lock()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.open: dict[str, Collection] = {
            note.stem: Collection(note.with_suffix("")) for note in sorted(folder.glob("*.json"))
        }

    def create(self, name: str, params: Json) -> bool:
        """Makes one; False where it is there."""
        with self.lock:
            if name in self.open:
                return False
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir()
            self.open[name] = Collection(self.folder / name, params)
            return True

    def drop(self, name: str) -> bool:
        """Deletes one; False where there is none."""
        with self.lock:
            collection = self.open.pop(name, None)
            if collection is None:
                return False
            collection.folder.with_suffix(".json").unlink()
            with collection.lock:
                collection.shard.close()
            shutil.rmtree(collection.folder)
            return True

    def close(self) -> None:
        """Closes all."""
        for collection in self.open.values():
            with collection.lock:
                collection.shard.close()


def create_app(folder: Path, api_key: str | None = None) -> FastAPI:
    """Makes the application.

    Args:
        folder: Where the collections are.
        api_key: What clients must send, if anything.
    """
    app = FastAPI(title="Qdrant's segments", openapi_url=None)
    collections = Collections(folder)
    app.state.collections = collections

    @app.middleware("http")
    async def check(request: Request, answer: Any) -> Response:
        if api_key is not None and request.headers.get("api-key") != api_key:
            return _failed(403, "Must provide an API key or an Authorization bearer token")
        made: Response = await answer(request)
        return made

    @app.exception_handler(KeyError)
    async def missing(_: Request, error: KeyError) -> Response:
        return _failed(404, f"Not found: Collection `{error.args[0]}` doesn't exist!")

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return _failed(400, f"{type(error).__name__}: {error}")

    @app.get("/")
    def version() -> Json:
        return {"title": "qdrant - vector search engine", "version": VERSION, "commit": ""}

    @app.get("/collections")
    def names() -> Json:
        return _done({"collections": [{"name": name} for name in sorted(collections.open)]})

    @app.get("/collections/{name}/exists")
    def exists(name: str) -> Json:
        return _done({"exists": name in collections.open})

    @app.get("/collections/{name}")
    def describe_collection(name: str) -> Json:
        collection = collections.open[name]
        return _done(
            {
                "status": "green",
                "optimizer_status": "ok",
                "segments_count": 1,
                "payload_schema": {},
                "config": {
                    "params": {"vectors": collection.params},
                    "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
                    "optimizer_config": {
                        "deleted_threshold": 0.2,
                        "vacuum_min_vector_number": 1000,
                        "default_segment_number": 0,
                        "flush_interval_sec": 5,
                    },
                },
            }
        )

    @app.put("/collections/{name}")
    def create(name: str, body: Json = Body()) -> Any:  # noqa: B008
        vectors = body["vectors"]
        if not collections.create(name, {"size": vectors["size"], "distance": vectors["distance"]}):
            return _failed(409, f"Wrong input: Collection `{name}` already exists!")
        return _done(True)

    @app.delete("/collections/{name}")
    def drop(name: str) -> Json:
        return _done(collections.drop(name))

    @app.put("/collections/{name}/points")
    def upsert(name: str, body: Json = Body()) -> Any:  # noqa: B008
        collection = collections.open[name]
        size = collection.params["size"]
        for point in body["points"]:
            if len(point["vector"]) != size:
                got = len(point["vector"])
                return _failed(
                    400, f"Wrong input: Vector dimension error: expected dim: {size}, got {got}"
                )
        collection.update(
            edge.UpdateOperation.upsert_points(
                [edge.Point(p["id"], p["vector"], p.get("payload")) for p in body["points"]]
            )
        )
        return _done({"operation_id": 0, "status": "completed"})

    @app.post("/collections/{name}/points")
    def retrieve(name: str, body: Json = Body()) -> Json:  # noqa: B008
        collection = collections.open[name]
        with collection.lock:
            records = collection.shard.retrieve(
                body["ids"], body.get("with_payload", True), body.get("with_vector", False)
            )
        return _done([_point(record) for record in records])

    @app.post("/collections/{name}/points/delete")
    def delete(name: str, body: Json = Body()) -> Json:  # noqa: B008
        operation = (
            edge.UpdateOperation.delete_points_by_filter(to_filter(body["filter"]))
            if "filter" in body
            else edge.UpdateOperation.delete_points(body["points"])
        )
        collections.open[name].update(operation)
        return _done({"operation_id": 0, "status": "completed"})

    @app.post("/collections/{name}/points/query/batch")
    def query(name: str, body: Json = Body()) -> Json:  # noqa: B008
        collection = collections.open[name]
        requests = [
            edge.QueryRequest(
                query=edge.Query.Nearest(_vector(one["query"])),
                filter=to_filter(one["filter"]) if one.get("filter") is not None else None,
                limit=one["limit"],
                params=edge.SearchParams(exact=bool((one.get("params") or {}).get("exact"))),
                with_payload=bool(one.get("with_payload")),
            )
            for one in body["searches"]
        ]
        with collection.lock:
            found = collection.shard.query_batch(edge.QueryBatchRequest(requests))
        return _done(
            [
                {"points": [{**_point(one), "version": 0, "score": one.score} for one in points]}
                for points in found
            ]
        )

    @app.post("/collections/{name}/points/scroll")
    def scroll(name: str, body: Json = Body()) -> Json:  # noqa: B008
        collection = collections.open[name]
        request = edge.ScrollRequest(
            offset=body.get("offset"), limit=body.get("limit", 10), with_payload=True
        )
        with collection.lock:
            records, following = collection.shard.scroll(request)
        token = None if following is None else _id(following)
        return _done({"points": [_point(one) for one in records], "next_page_offset": token})

    @app.post("/collections/{name}/points/count")
    def count(name: str, body: Json = Body()) -> Json:  # noqa: B008
        collection = collections.open[name]
        chosen = to_filter(body["filter"]) if body.get("filter") is not None else None
        with collection.lock:
            return _done(
                {"count": collection.shard.count(edge.CountRequest(filter=chosen, exact=True))}
            )

    return app


def to_filter(body: Mapping[str, Any]) -> Any:
    """Reads a filter in Qdrant's JSON."""

    def conditions(name: str) -> list[Any] | None:
        given = body.get(name) or None
        if given is None or isinstance(given, list):
            return given and [_condition(one) for one in given]
        return [_condition(given)]

    return edge.Filter(
        must=conditions("must"), should=conditions("should"), must_not=conditions("must_not")
    )


def _condition(body: Mapping[str, Any]) -> Any:
    if "has_id" in body:
        return edge.HasIdCondition(set(body["has_id"]))
    if "key" not in body:
        return to_filter(body)
    match, bounds = body.get("match"), body.get("range")
    if match is not None:
        wanted = edge.MatchAny(match["any"]) if "any" in match else edge.MatchValue(match["value"])
        return edge.FieldCondition(key=body["key"], match=wanted)
    if bounds is None:
        raise ValueError(f"this server does not know the condition {dict(body)}")
    limits = {name: bounds.get(name) for name in ("gt", "gte", "lt", "lte")}
    return edge.FieldCondition(key=body["key"], range=edge.RangeFloat(**limits))


def _vector(query: Any) -> Any:
    return query["nearest"] if isinstance(query, dict) else query


def _point(record: Any) -> Json:
    made = {"id": _id(record.id), "payload": record.payload}
    if getattr(record, "vector", None) is not None:
        made["vector"] = record.vector
    return made


def _id(point: Any) -> int | str:
    return point if isinstance(point, int) else str(point)


def _done(result: Any) -> Json:
    return {"result": result, "status": "ok", "time": 0.0}


def _failed(status: int, text: str) -> JSONResponse:
    return JSONResponse({"status": {"error": text}, "time": 0.0}, status)


class QdrantServer:
    """Such a server on a port of this machine, while a `with` block runs.

    Args:
        folder: Where its collections are; they stay.
        api_key: What clients must send, if anything.

    Example:
        >>> import tempfile, httpx
        >>> with QdrantServer(Path(tempfile.mkdtemp())) as server:
        ...     httpx.get(f"{server.url}/collections").json()["result"]
        {'collections': []}
    """

    def __init__(self, folder: Path, api_key: str | None = None) -> None:
        self._folder, self._api_key, self._port = folder, api_key, 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> QdrantServer:
        listening = socket.create_server(("127.0.0.1", self._port))
        self._port = listening.getsockname()[1]
        self._app = create_app(self._folder, self._api_key)
        config = uvicorn.Config(
            self._app, log_level="critical", lifespan="off", timeout_keep_alive=60
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listening]}, daemon=True
        )
        self._thread.start()
        end = time.monotonic() + 30
        while not self._server.started and time.monotonic() < end:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(30)
        self._app.state.collections.close()

    def restart(self) -> None:
        """Stops, and starts again on the same port with what is on the disk."""
        self.__exit__()
        self.__enter__()


class QdrantProcess:
    """Such a server in a process of its own, which can be killed.

    Args:
        folder: Where its collections are; they stay.
    """

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._folder = folder
        self.start_again()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def start_again(self) -> None:
        """Starts it with what is on the disk; returns when it answers."""
        code = "from qstore_tf.testing import qdrant_server; qdrant_server.main()"
        self._process = subprocess.Popen(light.command(code, self._folder, self._port))
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port)):
                return
            time.sleep(0.01)
        raise RuntimeError("Qdrant's segments did not open")

    def kill(self) -> None:
        """Ends it at once, as a crash would: kill -9."""
        self._process.kill()
        self._process.wait()

    stop = kill


def main() -> None:
    """Serves the folder and the port of the command line, until the process ends."""
    folder, port = sys.argv[1:3]
    app = create_app(Path(folder))  # opens all collections: only then does the port answer
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="critical", lifespan="off")
