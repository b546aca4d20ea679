"""What is the same for every request: an id, a line in the log, metrics, and an answer even when something breaks.

The log tells of method, route, status, duration, and who called; never of headers, bodies or queries, where secrets and
customers' data are.
"""

import re
import time
from collections.abc import MutableMapping
from typing import Any, Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskfactory.admin import problems
from taskfactory.admin.calling import actor_of, name_request
from taskfactory.admin.metrics import REQUEST_SECONDS, REQUESTS, REQUESTS_IN_FLIGHT
from taskfactory.admin.problems import Problem
from taskfactory.admin.troubles import as_problem

REQUEST_ID: Final = "X-Request-Id"
UNKNOWN: Final = "unknown"
_GIVEN_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BROKEN: Final = 500

log = structlog.get_logger("taskfactory.admin")


class Journal:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get(REQUEST_ID))
        name_request(scope, request_id)
        started = time.perf_counter()
        status: list[int] = []

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                headers.setdefault("Cache-Control", "no-store")
                headers.setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id), REQUESTS_IN_FLIGHT.track_inprogress():
            try:
                await self._app(scope, receive, send_named)
            except Exception as error:
                foreseen = as_problem(error)
                if foreseen is None:
                    log.exception("request_broke", method=scope["method"], route=_route(scope))
                if status:  # half an answer can't be taken back; the server closes the connection
                    raise
                problem = foreseen or Problem(
                    "internal", f"The server's log tells more under request_id {request_id}; trying again may help."
                )
                response = problems.answer(problem, path=scope["path"], request_id=request_id)
                await response(scope, receive, send_named)
            finally:
                _tell(scope, status[0] if status else _BROKEN, time.perf_counter() - started)


def _tell(scope: Scope, status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else UNKNOWN
    route = _route(scope)
    REQUESTS.labels(method, route, str(status)).inc()
    REQUEST_SECONDS.labels(method, route).observe(seconds)
    log.info(
        "request", method=method, route=route, path=scope["path"], status=status,
        milliseconds=round(seconds * 1000, 1), actor=actor_of(scope),
    )  # fmt: skip


def _route(scope: MutableMapping[str, Any]) -> str:
    """The template, of which there are few: a path's own text would make a series for each id."""
    return str(getattr(scope.get("route"), "path_format", UNKNOWN))


def _request_id(given: str | None) -> str:
    return given if given is not None and _GIVEN_ID.fullmatch(given) else uuid4().hex
