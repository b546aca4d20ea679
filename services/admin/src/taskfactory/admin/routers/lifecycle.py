"""`/v1/definitions/{name}/…`: what is done with a definition besides giving it a new document."""

from typing import Annotated

from fastapi import Body, Response
from pydantic import Field

from taskfactory.admin.calling import Caller, RequestId
from taskfactory.admin.definition_shapes import Because, DefinitionSummary
from taskfactory.admin.etags import IfMatch, quoted
from taskfactory.admin.roles import AUTHOR, OPERATOR_OR_AUTHOR
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.services import Services, Using

router = ApiRouter(prefix="/v1/definitions", tag="definitions")

BecauseBody = Annotated[Because, Body()]
NO_REASON = Because(reason=None)


class Rollback(Because):
    """To which version, and why."""

    to_version: int = Field(ge=1, le=2**31 - 1, examples=[3])


@router.post("/{name}/enable", roles=AUTHOR)
def enable(
    services: Using,
    caller: Caller,
    request_id: RequestId,
    name: str,
    if_match: IfMatch,
    response: Response,
    because: BecauseBody = NO_REASON,
) -> DefinitionSummary:
    """Let it take events: a new version with `enabled: true`; nothing changes if it is so already."""
    services.definitions.enable([name], caller.actor, because.reason, expected={name: if_match}, request_id=request_id)
    return _now(services, name, response)


@router.post("/{name}/disable", roles=AUTHOR)
def disable(
    services: Using,
    caller: Caller,
    request_id: RequestId,
    name: str,
    if_match: IfMatch,
    response: Response,
    because: BecauseBody = NO_REASON,
) -> DefinitionSummary:
    """Let it take no events: a new version with `enabled: false`. What happens meanwhile is not made up for."""
    services.definitions.disable([name], caller.actor, because.reason, expected={name: if_match}, request_id=request_id)
    return _now(services, name, response)


@router.post("/{name}/pause", roles=OPERATOR_OR_AUTHOR)
def pause(
    services: Using,
    caller: Caller,
    request_id: RequestId,
    name: str,
    if_match: IfMatch,
    response: Response,
    because: BecauseBody = NO_REASON,
) -> DefinitionSummary:
    """Let it match without starting anything. This is no new version."""
    services.definitions.pause([name], caller.actor, because.reason, expected={name: if_match}, request_id=request_id)
    return _now(services, name, response)


@router.post("/{name}/resume", roles=OPERATOR_OR_AUTHOR)
def resume(
    services: Using,
    caller: Caller,
    request_id: RequestId,
    name: str,
    if_match: IfMatch,
    response: Response,
    because: BecauseBody = NO_REASON,
) -> DefinitionSummary:
    """Let it start runs again, from the next record on."""
    services.definitions.resume([name], caller.actor, because.reason, expected={name: if_match}, request_id=request_id)
    return _now(services, name, response)


@router.post("/{name}/rollback", roles=AUTHOR)
def roll_back(
    services: Using,
    caller: Caller,
    request_id: RequestId,
    name: str,
    if_match: IfMatch,
    rollback: Rollback,
    response: Response,
) -> DefinitionSummary:
    """A new version whose document is that of an earlier one."""
    services.definitions.rollback(
        name, rollback.to_version, caller.actor, rollback.reason, expected={name: if_match}, request_id=request_id
    )
    return _now(services, name, response)


@router.post("/{name}/promote", roles=AUTHOR)
def promote(
    services: Using,
    caller: Caller,
    request_id: RequestId,
    name: str,
    if_match: IfMatch,
    response: Response,
    because: BecauseBody = NO_REASON,
) -> DefinitionSummary:
    """Make the shadow version the active one."""
    services.definitions.promote(name, caller.actor, because.reason, expected={name: if_match}, request_id=request_id)
    return _now(services, name, response)


@router.post("/{name}/drop-shadow", roles=AUTHOR)
def drop_shadow(
    services: Using,
    caller: Caller,
    request_id: RequestId,
    name: str,
    if_match: IfMatch,
    response: Response,
    because: BecauseBody = NO_REASON,
) -> DefinitionSummary:
    """Ask the shadow version no more; a definition that has only that is deleted by it."""
    services.definitions.drop_shadow(
        name, caller.actor, because.reason, expected={name: if_match}, request_id=request_id
    )
    return _now(services, name, response)


def _now(services: Services, name: str, response: Response) -> DefinitionSummary:
    row = services.definitions.get(name)
    if row.etag is not None:
        response.headers["ETag"] = quoted(row.etag)
    return DefinitionSummary.of(row)
