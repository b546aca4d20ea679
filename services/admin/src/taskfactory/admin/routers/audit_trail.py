"""`/v1/audit-trail`: who changed what, when and why."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field

from taskfactory.admin.moments import Moment
from taskfactory.admin.pages import Page, Paging
from taskfactory.admin.roles import VIEWER
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.services import Using
from taskfactory.registry import AuditFilter, AuditLine

router = ApiRouter(prefix="/v1/audit-trail", tag="audit trail")


class Line(BaseModel):
    """One change."""

    number: int
    at: datetime
    actor: str = Field(examples=["key:ci"])
    action: str = Field(examples=["update"])
    resource: str = Field(examples=["definition"])
    name: str = Field(examples=["order-fulfilment"])
    reason: str | None
    request_id: str | None
    detail: dict[str, Any]


@router.get("", roles=VIEWER)
def list_lines(
    services: Using,
    page: Paging,
    actor: Annotated[str | None, Query(max_length=500, examples=["key:ci"])] = None,
    action: Annotated[str | None, Query(max_length=100)] = None,
    resource: Annotated[str | None, Query(max_length=100)] = None,
    name: Annotated[str | None, Query(max_length=1000)] = None,
    since: Moment | None = None,
    until: Moment | None = None,
) -> Page[Line]:
    """Changes that fit every filter given, newest first."""
    only = AuditFilter(actor=actor, action=action, resource=resource, name=name, since=since, until=until)
    lines = services.audit_trail.read(only, before=page.after(int), limit=page.fetch)
    return page.page_of(lines, _shown, lambda line: line.number)


def _shown(line: AuditLine) -> Line:
    entry = line.entry
    return Line(
        number=line.number,
        at=line.at,
        actor=entry.actor,
        action=entry.action,
        resource=entry.resource,
        name=entry.name,
        reason=entry.reason,
        request_id=entry.request_id,
        detail=dict(entry.detail),
    )
