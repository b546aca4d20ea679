"""What happens outside of the registry is told to the audit trail before it is done, and again with what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from taskfactory.admin.calling import Caller, RequestId
from taskfactory.admin.services import Using
from taskfactory.registry import AuditEntry, AuditTrail, ByHand

Why = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1000,
        pattern=r"\S",
        description="Why, in your own words; kept in the audit trail.",
        examples=["the warehouse was flooded"],
    ),
]


@dataclass(frozen=True, slots=True)
class Intervention:
    """One caller's request, as the trail will tell of it."""

    trail: AuditTrail
    actor: str
    request_id: str

    def by_hand(self, reason: str | None) -> ByHand:
        """Who and why, for what keeps that with a change of its own."""
        return ByHand(self.actor, reason)

    def entry(self, action: str, resource: str, name: str, reason: str | None, **detail: Any) -> AuditEntry:
        """A line for the trail."""
        return AuditEntry(self.actor, action, resource, name, reason, self.request_id, detail)

    async def tell(
        self, action: str, resource: str, details: Mapping[str, Mapping[str, Any]], reason: str | None
    ) -> None:
        """Write a line for each thing; its detail says how far it has come.

        Args:
            action: a verb.
            resource: what kind of things.
            details: by name, `{"result": "requested"}` before and what came of it afterwards.
            reason: in the caller's own words.

        Raises:
            Refused: the database refuses a text; nothing was written.
        """
        lines: Sequence[AuditEntry] = [
            self.entry(action, resource, name, reason, **detail) for name, detail in details.items()
        ]
        await run_in_threadpool(self.trail.append, lines)


def _intervention(services: Using, caller: Caller, request_id: RequestId) -> Intervention:
    return Intervention(services.audit_trail, caller.actor, request_id)


Intervening = Annotated[Intervention, Depends(_intervention)]
"""For an endpoint's parameter: `intervention: Intervening`."""
