"""Routes that say who may call them.

A router is an `ApiRouter`, and each of its routes names roles; one that does not can't be declared, and an app with a
foreign route does not start. Who calls and whether they may is settled before a byte of the body is read. What an
endpoint raises leaves here as an answer, so that it can be kept for a request that is repeated.
"""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Message, Receive

from taskfactory.admin import problems
from taskfactory.admin.authentication import Authenticator
from taskfactory.admin.calling import let_in, request_id_of
from taskfactory.admin.idempotency import IDEMPOTENCY_KEY, Answers
from taskfactory.admin.problems import InputError, Problem
from taskfactory.admin.roles import Role, callers
from taskfactory.admin.troubles import as_problem
from taskfactory.definitions.suggestions import unknown

ROLES: Final = "x-roles"
"""Where the OpenAPI document names an operation's roles; the routes themselves read it there too."""
SHOWN_ONCE: Final = "x-shown-once"
"""Where it names the fields of an answer that are never stored, and so missing from a repeated answer."""
WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Gate:
    """What every route needs before its endpoint is asked; kept at the app, as `app.state.gate`."""

    authenticator: Authenticator
    answers: Answers
    max_request_bytes: int


class RouteWithoutRoles(TypeError):  # noqa: N818 -- it says what is wrong
    """A route names nobody who may call it: that is a mistake in its declaration, and the app must not start.

    Attributes:
        path: the route's path.
    """

    def __init__(self, path: str) -> None:
        """Name the route."""
        self.path = path
        super().__init__(f"route {path} names no roles: declare it on an ApiRouter with `roles=`")


class ApiRoute(APIRoute):
    """A route that lets callers in by their roles."""

    @property
    def roles(self) -> frozenset[Role]:
        """Roles that the declaration names."""
        return frozenset(Role(name) for name in (self.openapi_extra or {}).get(ROLES, ()))

    @property
    def shown_once(self) -> frozenset[str]:
        """Fields of the answer that are never stored."""
        return frozenset((self.openapi_extra or {}).get(SHOWN_ONCE, ()))

    def get_route_handler(self) -> Handler:
        """The endpoint behind everything that must be settled before it."""
        endpoint = super().get_route_handler()

        async def admitted(request: Request) -> Response:
            return await self._admit(request, endpoint)

        async def handle(request: Request) -> Response:
            return await _answered(request, admitted)

        return handle

    async def _admit(self, request: Request, endpoint: Handler) -> Response:
        gate = cast("Gate", request.app.state.gate)
        principal = await gate.authenticator.authenticate(request.headers.get("authorization"))
        let_in(request, principal)
        if not principal.may_call(self.roles):
            raise Problem(
                "forbidden",
                f"{principal.actor} has the role(s) {_listed(principal.roles) or 'none'}; "
                f"{request.method} {self.path_format} wants one of {_listed(callers(self.roles))}.",
            )
        self._check_query(request)
        if request.method in WITH_BODY:
            request = Request(request.scope, _bounded(request, gate.max_request_bytes))
            if await request.body():
                self._check_media_type(request)
        key = request.headers.get(IDEMPOTENCY_KEY)
        if request.method != "POST" or key is None:
            return await endpoint(request)

        async def answered(request: Request) -> Response:
            return await _answered(request, endpoint)

        return await gate.answers.once(request, principal, key, answered, never_stored=self.shown_once)

    def _check_query(self, request: Request) -> None:
        """A parameter that is misspelt must not be passed over: `?shdow=true` would put a version into force."""
        known = _query_parameters(self.dependant)
        errors = [
            InputError(f"query.{name}", unknown("parameter", name, sorted(known)) if known else "allowed is none here")
            for name in sorted(request.query_params.keys() - known)
        ]
        if errors:
            raise Problem("invalid", "The query has parameters that are not known here.", errors)

    def _check_media_type(self, request: Request) -> None:
        if self.body_field is None:
            return
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" and not (
            media_type.startswith("application/") and media_type.endswith("+json")
        ):
            found = repr(media_type) if media_type else "no Content-Type"
            raise Problem("unsupported-media-type", f"Found {found}; allowed is application/json.")


class ApiRouter(APIRouter):
    """Declares routes: `@router.get("/…", roles=VIEWER)`; everything else is FastAPI's own."""

    def __init__(self, prefix: str, tag: str) -> None:
        """Take the path that all routes begin with, and the heading that the OpenAPI document shows them under."""
        super().__init__(prefix=prefix, tags=[tag], route_class=ApiRoute)

    def get(self, path: str, *, roles: Iterable[Role], **declared: Any) -> Callable[[Endpoint], Endpoint]:  # type: ignore[override]  # FastAPI's own parameters pass through
        """Declare a reading."""
        return self._declared("GET", path, roles, declared)

    def put(self, path: str, *, roles: Iterable[Role], **declared: Any) -> Callable[[Endpoint], Endpoint]:  # type: ignore[override]  # the same
        """Declare a replacement."""
        return self._declared("PUT", path, roles, declared)

    def delete(self, path: str, *, roles: Iterable[Role], **declared: Any) -> Callable[[Endpoint], Endpoint]:  # type: ignore[override]  # the same
        """Declare a removal."""
        return self._declared("DELETE", path, roles, declared)

    def post(  # type: ignore[override]  # the same
        self, path: str, *, roles: Iterable[Role], shown_once: Sequence[str] = (), **declared: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """Declare an action; it may be repeated under one `Idempotency-Key`.

        Args:
            path: after the router's prefix.
            roles: who may call it.
            shown_once: top-level fields of the answer that must never be stored, secrets; a repeated answer has null.
            declared: FastAPI's own.
        """
        extra = {SHOWN_ONCE: sorted(shown_once)} if shown_once else {}
        return self._declared("POST", path, roles, declared | {"openapi_extra": extra})

    def _declared(
        self, method: str, path: str, roles: Iterable[Role], declared: dict[str, Any]
    ) -> Callable[[Endpoint], Endpoint]:
        named = sorted(role.value for role in roles)
        if not named:
            raise RouteWithoutRoles(self.prefix + path)
        extra = {**declared.pop("openapi_extra", {}), ROLES: named}
        return self.api_route(path, methods=[method], openapi_extra=extra, **declared)


def api_routes(routes: Sequence[BaseRoute]) -> list[ApiRoute]:
    """Every route of an app.

    Raises:
        RouteWithoutRoles: one of them is not ours or names no roles.
    """
    found = []
    for context in iter_route_contexts(routes):
        route = context.original_route
        if not isinstance(route, ApiRoute) or not route.roles:
            raise RouteWithoutRoles(context.path or "?")
        found.append(route)
    return found


async def _answered(request: Request, endpoint: Handler) -> Response:
    """The endpoint's answer, or the problem that it ran into; what nobody foresaw goes on to the journal."""
    try:
        return await endpoint(request)
    except Exception as error:
        problem = as_problem(error)
        if problem is None:
            raise
        return problems.answer(problem, path=request.url.path, request_id=request_id_of(request))


def _query_parameters(dependant: Dependant) -> frozenset[str]:
    own = {field.alias for field in dependant.query_params}
    return frozenset(own.union(*(_query_parameters(each) for each in dependant.dependencies)))


def _bounded(request: Request, limit: int) -> Receive:
    """The request's body, as long as it is not too long; what it says of its own length is believed if it is more."""
    refusal = Problem("too-large", f"The body may have {limit:,} bytes at most; send less, or in several requests.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise refusal
    read = 0

    async def receive() -> Message:
        nonlocal read
        message = await request.receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise refusal
        return message

    return receive


def _listed(roles: Iterable[Role]) -> str:
    return ", ".join(sorted(roles))
