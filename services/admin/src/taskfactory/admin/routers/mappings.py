"""`/v1/mappings`: what is made of the records of topics that carry no envelopes. `/v1/apply` writes them."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import Query
from pydantic import BaseModel

from taskfactory.admin.calling import Caller, RequestId
from taskfactory.admin.definition_shapes import Reason
from taskfactory.admin.pages import Page, Paging
from taskfactory.admin.problems import Problem
from taskfactory.admin.roles import AUTHOR, VIEWER
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.services import Using
from taskfactory.registry import TopicMappingRow

router = ApiRouter(prefix="/v1/mappings", tag="mappings")


class Mapping(BaseModel):
    """A topic's mapping."""

    topic: str
    version: int
    document: dict[str, Any]
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, row: TopicMappingRow) -> Self:
        """From the registry's row."""
        return cls(
            topic=row.topic,
            version=row.version,
            document=row.mapping.to_dict(),
            created_at=row.created_at,
            created_by=row.created_by,
        )


@router.get("", roles=VIEWER)
def list_mappings(services: Using, page: Paging) -> Page[Mapping]:
    """The mappings in force, by topic."""
    after = page.after(str)
    rows = [row for row in services.definitions.mappings() if after is None or row.topic > after]
    return page.page_of(rows[: page.fetch], Mapping.of, lambda row: row.topic)


@router.get("/{topic}", roles=VIEWER)
def get_mapping(services: Using, topic: str) -> Mapping:
    """One topic's mapping."""
    for row in services.definitions.mappings():
        if row.topic == topic:
            return Mapping.of(row)
    raise _unknown(topic)


@router.delete("/{topic}", roles=AUTHOR, status_code=204)
def delete_mapping(
    services: Using, caller: Caller, request_id: RequestId, topic: str, reason: Annotated[Reason, Query()] = None
) -> None:
    """Let the topic's records be read as event envelopes again."""
    if not services.definitions.remove_mappings([topic], caller.actor, reason=reason, request_id=request_id):
        raise _unknown(topic)


def _unknown(topic: str) -> Problem:
    return Problem("not-found", f"Topic {topic} has no mapping; GET /v1/mappings lists those that have one.")
