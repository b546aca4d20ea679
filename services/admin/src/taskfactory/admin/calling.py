"""Who makes a request, for the endpoints: the principal that was let in, and the request's id."""

from typing import Annotated, Final, cast

from fastapi import Depends
from starlette.requests import Request

from taskfactory.admin.roles import Principal

_PRINCIPAL: Final = "taskfactory.principal"
_REQUEST_ID: Final = "taskfactory.request_id"


def let_in(request: Request, principal: Principal) -> None:
    """Remember who makes this request."""
    request.scope[_PRINCIPAL] = principal


def principal_of(request: Request) -> Principal:
    """Who makes this request; only for what comes after the route let it in."""
    return cast("Principal", request.scope[_PRINCIPAL])


def actor_of(scope: object) -> str | None:
    """The same for the log, which also tells of requests that nobody was let in with."""
    principal = scope.get(_PRINCIPAL) if isinstance(scope, dict) else None
    return None if principal is None else cast("Principal", principal).actor


def name_request(scope: object, request_id: str) -> None:
    """Give the request its id."""
    cast("dict[str, object]", scope)[_REQUEST_ID] = request_id


def request_id_of(request: Request) -> str:
    """The request's id, as in `X-Request-Id`."""
    return cast("str", request.scope[_REQUEST_ID])


Caller = Annotated[Principal, Depends(principal_of)]
"""For an endpoint's parameter: `caller: Caller`; `caller.actor` goes into the audit trail."""
RequestId = Annotated[str, Depends(request_id_of)]
"""For an endpoint's parameter: `request_id: RequestId`, for the audit trail."""
