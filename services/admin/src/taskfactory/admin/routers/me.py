"""`/v1/me`: who one is."""

from datetime import datetime

from pydantic import BaseModel, Field

from taskfactory.admin.calling import Caller
from taskfactory.admin.roles import EVERY_ROLE, Role
from taskfactory.admin.routing import ApiRouter

router = ApiRouter(prefix="/v1/me", tag="me")


class Me(BaseModel):
    """The caller."""

    actor: str = Field(description="As in the audit trail.", examples=["key:ci"])
    roles: list[Role]
    expires_at: datetime | None = Field(description="When the credentials end; null for those that don't.")


@router.get("", roles=EVERY_ROLE)
def who_am_i(caller: Caller) -> Me:
    """Say who calls, and what they may do."""
    return Me(actor=caller.actor, roles=sorted(caller.roles), expires_at=caller.expires_at)
