"""`/v1/definitions`: reading definitions, and changing one of them as a whole."""

from typing import Annotated, Any, Literal

from fastapi import Body, Header, Query, Response
from pydantic import BaseModel, Field

from taskfactory.admin.calling import Caller, RequestId
from taskfactory.admin.definition_shapes import EXAMPLE_DOCUMENT, DefinitionModel, DefinitionSummary, Reason
from taskfactory.admin.etags import ANY, IfMatch, optional_tag, quoted
from taskfactory.admin.pages import Page, Paging
from taskfactory.admin.problems import InputError, Problem
from taskfactory.admin.roles import AUTHOR, VIEWER
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.services import Using
from taskfactory.definitions import ActivityDefinition, parse_definition
from taskfactory.registry import DefinitionState, VersionConflict

router = ApiRouter(prefix="/v1/definitions", tag="definitions")


class AppliedModel(BaseModel):
    """What became of a document."""

    name: str = Field(examples=["low-stock"])
    action: Literal["created", "updated", "unchanged", "revived", "shadowed"]
    version: int
    etag: str | None


@router.get("", roles=VIEWER)
def list_definitions(
    services: Using,
    page: Paging,
    name_prefix: Annotated[str | None, Query(max_length=200)] = None,
    state: Annotated[DefinitionState | None, Query(description="Without it, all but deleted ones.")] = None,
    trigger: Literal["event", "cron"] | None = None,
) -> Page[DefinitionSummary]:
    """Definitions by name."""
    rows = services.definitions.list_page(
        prefix=name_prefix, state=state, trigger=trigger, after=page.after(str), limit=page.fetch
    )
    return page.page_of(rows, DefinitionSummary.of, lambda row: row.name)


@router.get("/{name}", roles=VIEWER)
def get_definition(services: Using, name: str, response: Response) -> DefinitionModel:
    """One definition with its active document; one that was deleted has the state `deleted` and no ETag."""
    row = services.definitions.get(name)
    document = services.definitions.version_of(name, row.version).document
    _show_etag(response, row.etag)
    return DefinitionModel.with_document(row, dict(document))


@router.put("/{name}", roles=AUTHOR, responses={201: {"model": AppliedModel, "description": "It is new, or back."}})
def put_definition(
    services: Using,
    caller: Caller,
    request_id: RequestId,
    name: str,
    document: Annotated[dict[str, Any], Body(examples=[EXAMPLE_DOCUMENT])],
    response: Response,
    shadow: Annotated[bool, Query(description="As the shadow version, which starts nothing.")] = False,  # noqa: FBT002 -- a query
    reason: Annotated[Reason, Query()] = None,
    if_match: Annotated[
        str | None, Header(description="The ETag of the version that this replaces, or `*`; for one that is there.")
    ] = None,
    if_none_match: Annotated[str | None, Header(description="`*`: only if there is none of this name.")] = None,
) -> AppliedModel:
    """Create a definition, or replace its document by a new version.

    To replace one, say which one in `If-Match`. A document that says the same as the active version changes nothing.
    """
    definition = _named(name, document)
    expected = _expected(if_match, if_none_match)
    try:
        applied = services.definitions.apply(
            [definition],
            caller.actor,
            reason=reason,
            expected={name: expected},
            shadow=shadow,
            request_id=request_id,
        )[0]
    except VersionConflict as conflict:
        if if_match is None and if_none_match is None:
            raise Problem(
                "precondition-required",
                f"{name} exists, at {conflict.found}: to replace it, send If-Match with that ETag in quotes, or *.",
            ) from conflict
        raise
    if applied.action in {"created", "revived"} or (applied.action == "shadowed" and expected is None):
        response.status_code = 201
    _show_etag(response, applied.etag)
    return AppliedModel.model_validate(
        {"name": name, "action": applied.action, "version": applied.version, "etag": applied.etag}
    )


@router.delete("/{name}", roles=AUTHOR, status_code=204)
def delete_definition(
    services: Using,
    caller: Caller,
    request_id: RequestId,
    name: str,
    if_match: IfMatch,
    reason: Annotated[Reason, Query()] = None,
) -> None:
    """Take a definition out of force. Its id, versions and keys stay: applied again, it goes on where it was."""
    services.definitions.remove([name], caller.actor, reason, expected={name: if_match}, request_id=request_id)


def _named(name: str, document: dict[str, Any]) -> ActivityDefinition:
    found = document.get("name", name)
    if found != name:
        message = f"found {found!r}; allowed is {name!r}, as in the path"
        raise Problem("invalid", "The document is of another name.", [InputError("name", message)])
    return parse_definition({**document, "name": name})


def _expected(if_match: str | None, if_none_match: str | None) -> str | None:
    """How the definition must stand; None: there must be none."""
    tag, none_of = optional_tag("If-Match", if_match), optional_tag("If-None-Match", if_none_match)
    if none_of is not None and (none_of != ANY or tag is not None):
        message = "allowed is *, and not together with If-Match"
        raise Problem("invalid", "The condition can't be used.", [InputError("header.If-None-Match", message)])
    return tag


def _show_etag(response: Response, etag: str | None) -> None:
    if etag is not None:
        response.headers["ETag"] = quoted(etag)
