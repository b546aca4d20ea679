"""`/v1/schedule-audit`: every tick that was to be expected, accounted for.

It is no path below `/v1/schedules`, where it would hide a definition of its name.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import Query
from pydantic import AwareDatetime

from taskfactory.admin.problems import InputError, Problem
from taskfactory.admin.roles import VIEWER
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.schedule_shapes import ScheduleAudit
from taskfactory.admin.services import Using
from taskfactory.intake.executions import TemporalExecutions
from taskfactory.intake.schedules import TickAuditor
from taskfactory.registry import Evidence, TickEvidence, UnknownNames

router = ApiRouter(prefix="/v1/schedule-audit", tag="schedules")

LONGEST_AUDIT: Final = timedelta(days=31)
ONE_DAY: Final = timedelta(days=1)

Names = Annotated[list[str] | None, Query(max_length=200, description="Only these; all without it.")]


@router.get("", roles=VIEWER)
async def audit_schedules(
    services: Using,
    definition: Names = None,
    after: Annotated[
        AwareDatetime | None, Query(alias="from", description="Exclusive; a day before `to` without it.")
    ] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to", description="Inclusive; now without it.")] = None,
) -> ScheduleAudit:
    """Account for every tick that was to be expected: a run, a recorded skip, or an alarm.

    What was expected follows from the versions and states that were in force then.
    """
    now = datetime.now(UTC)
    until = min(until or now, now)
    after = after or until - ONE_DAY
    if not timedelta(0) <= until - after <= LONGEST_AUDIT:
        found = f"found {after.isoformat()} to {until.isoformat()}, which is now at the latest"
        message = f"{found}; allowed are up to {LONGEST_AUDIT.days} days that end after they begin"
        raise Problem("invalid", "The range can't be audited.", [InputError("query.from", message)])
    try:
        for name in definition or ():
            await asyncio.to_thread(services.definitions.get, name)
    except UnknownNames as unknown:
        raise Problem("invalid", f"{unknown}.", [InputError("query.definition", f"{unknown}")]) from unknown
    auditor = TickAuditor(
        TickEvidence(services.engine), Evidence(services.engine), TemporalExecutions(await services.temporal())
    )
    return ScheduleAudit.of(await auditor.audit(after, until, now, definition))
