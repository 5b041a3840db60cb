"""A server on this machine that answers as GitHub's API does: comments, issues, pull requests, rights, pages."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

BOT = "github-actions[bot]"


@dataclass
class FakeGitHub:
    """What the repository acme/shop holds."""

    url: str = ""
    token_header: str = "Authorization"
    token: str = "a-token"
    may_write: bool = True
    busy: int = 0  # answer so many questions with 503 first
    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def answer(self, method: str, target: str, token: str, body: dict[str, Any]) -> tuple[int, Any]:
        address = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        self.seen.append(f"{method} {address.path}")
        path = address.path.removeprefix("/repos/acme/shop")
        if token != f"Bearer {self.token}":
            return 401, {"message": "Bad credentials"}
        if path == address.path:
            return 404, {"message": "Not Found"}
        if self.busy:
            self.busy -= 1
            return 503, {"message": "unavailable"}
        if method == "GET":
            return 200, self.page(self.listed(path, query), query)
        if not self.may_write:
            return 403, {"message": "Resource not accessible by integration"}
        return self.write(method, path, body)

    def listed(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        if path == "/pulls":
            return [each for each in self.pulls if each["label"] == query.get("head")]
        if path == "/issues":
            return [
                each
                for each in self.issues
                if each["state"] == query.get("state") and each["user"]["login"] == query.get("creator")
            ]
        number = int(re.fullmatch(r"/issues/(\d+)/comments", path)[1])  # type: ignore[index]
        return [each for each in self.comments if each["on"] == number]

    def page(self, found: list[Any], query: dict[str, str]) -> list[Any]:
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        return found[size * (page - 1) : size * page]

    def write(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if len(body.get("body", "")) > 65_536:
            return 422, {"message": "body is too long"}
        if method == "PATCH":
            kind, number = re.fullmatch(r"/(issues/comments|issues)/(\d+)", path).groups()  # type: ignore[union-attr]
            key, kept = ("id", self.comments) if "comments" in kind else ("number", self.issues)
            [entry] = [each for each in kept if each[key] == int(number)]
            entry.update(body)
            return 200, entry
        entry = {"id": 100 + len(self.comments), "user": {"login": BOT}, **body}
        if path == "/issues":
            entry |= {"number": 50 + len(self.issues), "state": "open"}
            self.issues.append(entry)
        else:
            entry["on"] = int(re.fullmatch(r"/issues/(\d+)/comments", path)[1])  # type: ignore[index]
            self.comments.append(entry)
        return 201, entry


class Service(Protocol):
    """What a server on this machine answers with."""

    url: str
    token_header: str

    def answer(self, method: str, target: str, token: str, body: dict[str, Any]) -> tuple[int, Any]: ...


@contextmanager
def serving(state: Service) -> Iterator[None]:
    """The server, as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            token = self.headers.get(state.token_header, "")
            status, said = state.answer(self.command, self.path, token, body)
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = serve

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextmanager
def fake_github() -> Iterator[FakeGitHub]:
    """GitHub, as long as the block lasts."""
    state = FakeGitHub()
    with serving(state):
        yield state
