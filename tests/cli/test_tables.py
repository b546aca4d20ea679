"""What the cells of tables say."""

from typing import Any

import pytest

from taskfactory.cli.audit_trail import trail_table
from taskfactory.cli.schedule_tables import schedule_facts
from taskfactory.cli.schedules import _triggered
from taskfactory.definitions import CronTrigger

SCHEDULE = {
    "name": "nightly",
    "state": "enabled",
    "version": 2,
    "updated_at": "2026-11-24T09:00:00Z",
    "updated_by": "ada",
    "reason": None,
    "next_tick": None,
}
LINE = {
    "at": "2026-11-24T09:00:00Z",
    "actor": "key:ci",
    "action": "backfill",
    "resource": "schedule",
    "name": "nightly",
    "reason": None,
}


def test_a_schedule_says_all_that_decides_when_it_fires() -> None:
    trigger = CronTrigger.model_validate(
        {
            "type": "cron",
            "cron": ["30 2 * * MON-FRI"],
            "every": [{"interval": "15m", "offset": "5m"}, {"interval": "1h"}],
            "calendars": [{"hour": 3, "day_of_week": "MON"}],
            "exclude": ["2026-12-25", {"month": 1}],
            "timezone": "Europe/Berlin",
        }
    )
    facts = dict(schedule_facts({**SCHEDULE, "trigger": trigger.model_dump(mode="json")}))
    assert facts["cron"] == "30 2 * * MON-FRI"
    assert facts["every"] == "15m (offset 5m); 1h"
    assert facts["calendars"] == "second 0, minute 0, hour 3, day_of_week MON"
    assert facts["exclude"] == "2026-12-25; month 1"
    assert facts["misfire"] == "fire_once, within 1h"


@pytest.mark.parametrize(
    ("reason", "advice"), [("overlap", "--ignore-overlap"), ("disabled", "`taskfactory enable` it first")]
)
def test_a_trigger_that_was_skipped_says_what_helps(reason: str, advice: str) -> None:
    assert advice in _triggered({"result": "skipped", "reason": reason, "run_id": None})


def test_a_trigger_that_was_skipped_for_good_gives_no_advice() -> None:
    assert _triggered({"result": "skipped", "reason": "deleted", "run_id": None}) == "skipped: deleted"


@pytest.mark.parametrize(
    ("result", "shown"),
    [("requested", "requested"), ({"ran": 2, "would_ask": 1}, "2 ran, 1 would ask"), (None, "-"), ({}, "-")],
)
def test_the_trail_tells_what_was_asked_for_from_what_came_of_it(result: Any, shown: str) -> None:
    detail = {} if result is None else {"result": result}
    table = trail_table([{**LINE, "detail": detail}])
    assert dict(zip(table.head, table.rows[0], strict=True))["RESULT"] == shown
