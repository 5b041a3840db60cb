"""A server on this machine that answers as GitLab does for issues and for notes of merge requests of project 12."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.automation.github_server import serving

ME = {"id": 7, "username": "project_12_bot"}


@dataclass
class FakeGitLab:
    """What project 12 holds."""

    url: str = ""
    token_header: str = "PRIVATE-TOKEN"
    token: str = "glpat-a-token"
    may_write: bool = True
    notes: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def answer(self, method: str, target: str, token: str, body: dict[str, Any]) -> tuple[int, Any]:
        address = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        self.seen.append(f"{method} {address.path}")
        if token != self.token:
            return 401, {"message": "401 Unauthorized"}
        if (method, address.path) == ("GET", "/api/v4/user"):
            return 200, ME
        if issue := re.fullmatch(r"/api/v4/projects/12/issues(?:/(\d+))?", address.path):
            return self.answer_on_issues(method, int(issue[1] or 0), query, body)
        found = re.fullmatch(r"/api/v4/projects/12/merge_requests/(\d+)/notes(?:/(\d+))?", address.path)
        if not found:
            return 404, {"message": "404 Not found"}
        number, note = int(found[1]), int(found[2] or 0)
        if method == "GET":
            return 200, self.page([each for each in self.notes if each["noteable_iid"] == number], query)
        if not self.may_write:
            return 403, {"message": "403 Forbidden"}
        return self.write(method, number, note, body)

    def answer_on_issues(
        self, method: str, number: int, query: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, Any]:
        if method == "GET":
            mine = query.get("scope") == "created_by_me"
            listed = [each for each in self.issues if not mine or each["author"]["id"] == ME["id"]]
            return 200, self.page([each for each in listed if each["state"] == query["state"]], query)
        if not self.may_write:
            return 403, {"message": "403 Forbidden"}
        if method == "PUT":
            [entry] = [each for each in self.issues if each["iid"] == number]
            entry.update(body)
            return 200, entry
        number = 1 + len(self.issues)
        self.issues.append({"id": 5000 + number, "iid": number, "author": ME, "state": "opened", **body})
        return 201, self.issues[-1]

    def page(self, notes: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
        """The newest first, unless it is asked otherwise; twenty on a page."""
        ordered = sorted(notes, key=lambda note: note["id"], reverse=query.get("sort", "desc") == "desc")
        size, page = min(int(query.get("per_page", 20)), 100), int(query.get("page", 1))
        return ordered[size * (page - 1) : size * page]

    def write(self, method: str, number: int, note: int, body: dict[str, Any]) -> tuple[int, Any]:
        if len(body["body"]) > 1_000_000:
            return 400, {"message": {"note": ["is too long"]}}
        if method == "PUT":
            [entry] = [each for each in self.notes if each["id"] == note]
            if entry["author"]["id"] != ME["id"]:
                return 403, {"message": "403 Forbidden"}
            entry.update(body)
            return 200, entry
        entry = {"id": 1000 + len(self.notes), "noteable_iid": number, "author": ME, "system": False, **body}
        self.notes.append(entry)
        return 201, entry


@contextmanager
def fake_gitlab() -> Iterator[FakeGitLab]:
    """GitLab, as long as the block lasts."""
    state = FakeGitLab()
    with serving(state):
        yield state
