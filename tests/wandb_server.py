"""A server on loopback that speaks as much of W&B's language as uploading a run takes."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "a" * 40


@dataclass
class Server:
    """What was asked of the server.

    Attributes:
        refused: names of runs that it does not take.
        runs: runs that were begun, by id.
        finished: ids of runs whose end was told.
        files: how many files were uploaded.
        artifacts: the aliases of artifacts by collection.
        views: specs of workspaces that were saved.
        charts: names of charts that were registered.
    """

    url: str = ""
    refused: set[str] = field(default_factory=set)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    files: int = 0
    artifacts: dict[str, set[str]] = field(default_factory=dict)
    views: list[dict[str, Any]] = field(default_factory=list)
    charts: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make W&B's programs talk to this server."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY}

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The answer to a query; an empty one to what it does not know."""
        for name in ("upsertBucket", "createRunFiles", "createArtifact(", "upsertView", "viewer"):
            if name in query:
                return getattr(self, f"_{name.rstrip('(')}")(variables)
        if "createCustomChart" in query:
            self.charts.append(variables["chartName"])
            return {"createCustomChart": {"chart": {"id": "chart"}}}
        return {"serverInfo": {"features": []}}

    def _upsertBucket(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - W&B's word
        if given["name"] in self.refused:
            return {}
        self.runs.setdefault(given["name"], given)
        project = {"id": "p", "name": given["project"], "entity": {"id": "e", "name": "me"}}
        bucket = {"id": "b", "name": given["name"], "project": project, "historyLineCount": 0}
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def _createRunFiles(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        files = [
            {"name": name, "uploadUrl": f"{self.url}/upload/{i}"}
            for i, name in enumerate(given["files"])
        ]
        return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}

    def _createArtifact(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        aliases = {one["alias"] for one in given["input"]["aliases"]}
        self.artifacts[given["input"]["artifactCollectionName"]] = aliases
        there = {"id": "a", "state": "COMMITTED", "artifactSequence": {"latestArtifact": None}}
        return {"createArtifact": {"artifact": there}}

    def _upsertView(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.views.append(given)
        return {"upsertView": {"view": {"id": "v", "name": given["name"]}, "inserted": True}}

    def _viewer(self, _: dict[str, Any]) -> dict[str, Any]:
        viewer = {"id": "u", "entity": "me", "username": "me", "flags": "{}"}
        return {"viewer": {**viewer, "teams": {"edges": []}}, "serverInfo": {"features": []}}


@contextmanager
def wandb_server() -> Iterator[Server]:
    """A server that runs while the block does."""
    state = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    state.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        yield state
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send({})

    def do_PUT(self) -> None:
        self._body()
        self.state.files += 1
        self._send({})

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/graphql":
            asked = json.loads(body)
            answer = self.state.answer(asked["query"], asked.get("variables") or {})
            if not answer:
                return self._send({"errors": [{"message": "permission denied"}]}, 403)
            return self._send({"data": answer})
        if self.path.endswith("/file_stream") and json.loads(body).get("complete"):
            self.state.finished.add(self.path.split("/")[-2])
        return self._send({})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while n := int(self.rfile.readline(), 16):
                body += self.rfile.read(n)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _send(self, values: dict[str, Any], code: int = 200) -> None:
        body = json.dumps(values).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""
