"""A small Admin API on a real port, for what the commands make of its answers: definitions, plans and keys in memory.

It follows the routes' contract where the commands depend on it (problem details, ETags, If-Match, Idempotency-Key,
pages). `faults` are answers to give instead, once each, which no real server gives when a test wants them.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from taskfactory.definitions import InvalidDefinitions, load_documents

KEY: Final = "tf_abcdefgh_secret"
AT: Final = "2026-11-24T09:00:00Z"


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """What is answered."""

    status: int
    value: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Definition:
    """One definition with its versions' documents."""

    versions: list[dict[str, Any]]
    revision: int
    state: str = "enabled"

    @property
    def etag(self) -> str:
        return f'"{len(self.versions)}-{self.revision}"'


class FakeApi:
    """The API's state, and what came in."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.faults: list[Reply | Callable[[], None]] = []
        self.definitions: dict[str, Definition] = {}
        self.deleted: set[str] = set()
        self.revoked: list[str] = []
        self.between: Callable[[], None] = lambda: None
        """Called between a plan and its being carried out."""
        self._revision = 0
        self._answers: dict[str, Reply] = {}
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Reply:
        """What the API says."""
        with self._lock:
            self.requests.append(request)
            if self.faults:
                fault = self.faults.pop(0)
                if isinstance(fault, Reply):
                    return fault
                fault()
            if request.headers.get("authorization") != f"Bearer {KEY}":
                return problem(401, "unauthenticated", "No credentials that are known; send an API key.")
            key = request.headers.get("idempotency-key")
            if key is not None and key in self._answers:
                return self._answers[key]
            reply = self._route(request)
            if key is not None:
                self._answers[key] = reply
            return reply

    def put(self, name: str, document: dict[str, Any]) -> None:
        """Somebody applies a version."""
        self._revision += 1
        self.deleted.discard(name)
        versions = self.definitions[name].versions if name in self.definitions else []
        self.definitions[name] = Definition([*versions, document], self._revision)

    def _route(self, request: Request) -> Reply:
        for method, pattern, endpoint in self._routes():
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                return endpoint(request, *map(unquote, match.groups()))
        return problem(404, "not-found", "No route has this path; GET /openapi.json lists them all.")

    def _routes(self) -> list[tuple[str, str, Callable[..., Reply]]]:
        return [
            ("GET", "/v1/definitions", self._list),
            ("GET", "/v1/definitions/([^/]+)", self._get),
            ("DELETE", "/v1/definitions/([^/]+)", self._delete),
            ("POST", "/v1/definitions/([^/]+)/(pause|resume|enable|disable)", self._set_state),
            ("POST", "/v1/apply", self._apply),
            ("POST", "/v1/keys", self._make_key),
            ("GET", "/v1/keys", self._keys),
            ("DELETE", "/v1/keys/([^/]+)", self._revoke),
            ("POST", "/v1/runs/([^/]+)/cancel", self._cancel),
            ("POST", "/v1/runs/([^/]+)/rerun", self._rerun),
            ("GET", "/v1/schedules/([^/]+)", self._schedule),
            ("POST", "/v1/schedules/([^/]+)/pause", self._pause_schedule),
        ]

    def _list(self, request: Request) -> Reply:
        names = [name for name in sorted(self.definitions) if name.startswith(request.query.get("name_prefix", ""))]
        after = [name for name in names if name > request.query.get("cursor", "")]
        some = after[: int(request.query.get("limit", "50"))]
        more = some[-1] if len(some) < len(after) else None
        return Reply(200, {"items": [self._summary(name) for name in some], "next_cursor": more})

    def _get(self, _: Request, name: str) -> Reply:
        if name in self.deleted:
            return Reply(200, {"name": name, "state": "deleted", "etag": None})
        if name not in self.definitions:
            return problem(404, "not-found", f"No definition is named {name}.")
        found = self.definitions[name]
        value = {**self._summary(name), "document": found.versions[-1]}
        return Reply(200, value, {"ETag": found.etag})

    def _delete(self, request: Request, name: str) -> Reply:
        if request.headers.get("if-match") != self.definitions[name].etag:
            return problem(412, "changed", f"{name} was changed meanwhile.")
        del self.definitions[name]
        self.deleted.add(name)
        return Reply(204)

    def _cancel(self, _: Request, run_id: str) -> Reply:
        if run_id.startswith("ended"):
            return problem(409, "conflict", "Found: it has ended; only a run that is open can be cancelled.")
        return Reply(202, {"run_id": run_id, "state": "cancelling"})

    def _rerun(self, _: Request, run_id: str) -> Reply:
        return Reply(201, {"run_id": f"{run_id}-g2", "version": 1, "of": run_id, "result": "started"})

    def _schedule(self, _: Request, name: str) -> Reply:
        return Reply(200, {"schedule": {"name": name, "state": "enabled"}, "recent": []}, {"ETag": '"1-1"'})

    def _pause_schedule(self, _: Request, name: str) -> Reply:
        return Reply(200, {"schedule": {"name": name, "state": "paused"}, "recent": []}, {"ETag": '"1-2"'})

    def _keys(self, _: Request) -> Reply:
        return Reply(200, {"items": [{"id": each, "revoked_at": AT} for each in self.revoked], "next_cursor": None})

    def _revoke(self, _: Request, key_id: str) -> Reply:
        self.revoked.append(key_id)
        return Reply(204)

    def _set_state(self, request: Request, name: str, verb: str) -> Reply:
        found = self.definitions[name]
        if request.headers.get("if-match") != found.etag:
            return problem(412, "changed", f"{name} was changed meanwhile.")
        state = {"pause": "paused", "disable": "disabled"}.get(verb, "enabled")
        if state != found.state:
            self._revision += 1
            found.revision, found.state = self._revision, state
        return Reply(200, self._summary(name), {"ETag": found.etag})

    def _apply(self, request: Request) -> Reply:
        body = request.body
        documents, errors = _read(body["files"])
        if errors:
            return problem(422, "invalid", "The documents are wrong.", errors=errors)
        dry_run = body.get("dry_run", False)
        if not dry_run:
            self.between()
        for name, etag in (body.get("expected") or {}).items():
            standing = self.definitions[name].etag if name in self.definitions else None
            if standing != etag:
                return problem(412, "changed", f"{name} was changed meanwhile: it is at {standing}.")
        gone = sorted(set(self.definitions) - set(documents)) if body.get("prune") else []
        if gone and len(gone) > body["prune"]["max"]:
            return problem(422, "too-many", f"{len(gone)} would be deleted.")
        items = [self._planned(name, document) for name, document in documents.items()]
        items += [self._item(name, "delete") for name in gone]
        if not dry_run:
            self._carry_out(items, documents)
        return Reply(200, {"items": items, "applied": not dry_run})

    def _carry_out(self, items: list[dict[str, Any]], documents: dict[str, Any]) -> None:
        for item in items:
            if item["action"] == "delete":
                del self.definitions[item["name"]]
            elif item["action"] != "unchanged":
                self.put(item["name"], documents[item["name"]])

    def _planned(self, name: str, document: dict[str, Any]) -> dict[str, Any]:
        if name not in self.definitions:
            return self._item(name, "create") | {"version": 1}
        before = self.definitions[name].versions[-1]
        if before == document:
            return self._item(name, "unchanged")
        changes = [
            {"path": field, "kind": "changed", "before": before.get(field), "after": document[field]}
            for field in document
            if before.get(field) != document[field]
        ]
        item = self._item(name, "update")
        return item | {"version": item["version"] + 1, "changes": changes}

    def _item(self, name: str, action: str) -> dict[str, Any]:
        found = self.definitions.get(name)
        return {
            "kind": "ActivityDefinition",
            "name": name,
            "action": action,
            "version": len(found.versions) if found else 0,
            "etag": found.etag if found else None,
            "changes": [],
        }

    def _make_key(self, request: Request) -> Reply:
        made = {
            "id": "abcdefgh",
            "name": request.body["name"],
            "roles": request.body["roles"],
            "created_at": AT,
            "expires_at": "2026-12-24T09:00:00Z",
            "key": "tf_abcdefgh_0123456789",
        }
        return Reply(201, made)

    def _summary(self, name: str) -> dict[str, Any]:
        found = self.definitions[name]
        return {
            "name": name,
            "id": f"id-of-{name}",
            "version": len(found.versions),
            "etag": found.etag,
            "state": found.state,
            "enabled": True,
            "paused": found.state == "paused",
            "shadow_version": None,
            "trigger_type": "event",
            "dedupe": "event_id",
            "description": None,
            "created_at": AT,
            "created_by": "key:ci",
            "updated_at": AT,
            "updated_by": "key:ci",
            "reason": None,
        }


def _read(files: list[dict[str, str]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        loaded = [load_documents(file["text"], file["origin"]) for file in files]
    except InvalidDefinitions as error:
        return {}, [asdict(each) for each in error.errors]
    return {each.name: each.to_dict() for documents in loaded for each in documents.definitions}, []


def problem(status: int, code: str, detail: str, **more: Any) -> Reply:
    """RFC 9457."""
    value = {
        "type": f"urn:taskfactory:problem:{code}",
        "title": code,
        "status": status,
        "detail": detail,
        "instance": "/",
        "request_id": "r-1",
        **more,
    }
    return Reply(status, value, {"Content-Type": "application/problem+json"})


@contextmanager
def serving(api: FakeApi) -> Iterator[FakeApi]:
    """Serve it on a free port of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            split = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            query = {name: values[0] for name, values in parse_qs(split.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                reply = api.answer(Request(self.command, split.path, query, headers, body))
            except ConnectionAbortedError:  # a fault: the connection ends without an answer
                self.close_connection = True
                return
            content = b"" if reply.value is None else json.dumps(reply.value).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _handle  # noqa: N815 -- the base class's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def drop() -> None:
    """A fault: the connection ends without an answer."""
    raise ConnectionAbortedError
