"""The app: every router, behind the gate."""

from collections.abc import Sequence
from importlib import metadata
from typing import Final

import anyio.to_thread
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from taskfactory.admin import openapi, problems
from taskfactory.admin.authentication import Authenticator
from taskfactory.admin.calling import request_id_of
from taskfactory.admin.idempotency import Answers
from taskfactory.admin.journal import Journal
from taskfactory.admin.problems import Problem
from taskfactory.admin.routers import (
    apply,
    audit_trail,
    dead_letters,
    dedupe,
    definitions,
    explain,
    keys,
    lifecycle,
    mappings,
    me,
    runs,
    schedule_audit,
    schedules,
    shadow,
    tasks,
    versions,
)
from taskfactory.admin.routing import ApiRouter, Gate, api_routes
from taskfactory.admin.services import Services
from taskfactory.admin.troubles import as_problem
from taskfactory.registry import IdempotencyKeys

ROUTERS: Final[Sequence[ApiRouter]] = (
    openapi.router,
    me.router,
    definitions.router,
    lifecycle.router,
    versions.router,
    shadow.router,
    apply.router,
    mappings.router,
    keys.router,
    audit_trail.router,
    runs.router,
    tasks.router,
    dead_letters.router,
    explain.router,
    dedupe.router,
    schedules.router,
    schedule_audit.router,
)
"""All of them; a new one is added here. The order decides where two paths fit one request."""


def build_app(services: Services, authenticator: Authenticator, routers: Sequence[ApiRouter] = ROUTERS) -> FastAPI:
    """The Admin API as an ASGI app, without lifespan: what it works with is opened and closed by its caller.

    Raises:
        RouteWithoutRoles: a route says nobody who may call it.
    """
    app = FastAPI(
        title="taskfactory",
        summary="The Admin API",
        version=metadata.version("taskfactory-admin"),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: _no_route},
    )
    for router in routers:
        app.include_router(router)
    app.state.routes = api_routes(app.routes)
    app.state.services = services
    app.state.gate = Gate(authenticator, Answers(IdempotencyKeys(services.engine)), services.settings.max_request_bytes)
    app.add_middleware(Journal)
    return app


def bound_threads(threads: int) -> None:
    """Let so many requests wait for the database at once; call it within the event loop that serves the app."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = threads


async def _no_route(request: Request, error: Exception) -> Response:
    problem = as_problem(error) or Problem("internal", "This was not foreseen.")
    return problems.answer(problem, path=request.url.path, request_id=request_id_of(request))
