"""Examples about schedules and their ticks."""

from collections.abc import Mapping
from typing import Any, Final

from taskfactory.admin.examples import shop
from taskfactory.admin.examples.exchange import Exchange

NOMINAL: Final = shop.at("05:00:00")
WHY: Final = "migration tonight"
TICK: Final = {
    "tick": f"tick:{NOMINAL}",
    "kind": "scheduled",
    "scheduled_for": NOMINAL,
    "version": 2,
    "decision": "started",
    "reason": None,
    "run_id": shop.REPORT_RUN,
    "late_by": 0.4,
    "asked_by": "schedule",
    "decided_at": shop.at("05:00:00.412000"),
}
SCHEDULE: Final[dict[str, Any]] = {
    "name": "daily-report",
    "id": shop.REPORT,
    "version": 2,
    "etag": "2-9",
    "state": "enabled",
    "reason": None,
    "updated_at": shop.at("08:00:00", "02"),
    "updated_by": shop.CI,
    "trigger": {"type": "cron", "cron": ["0 6 * * MON-FRI"], "timezone": "Europe/Berlin"},
    "next_tick": shop.at("05:00:00", "25"),
    "last_tick": TICK,
}


def _standing(**stands: Any) -> dict[str, Any]:
    return {"schedule": {**SCHEDULE, **stands}, "recent": [TICK]}


EXCHANGES: Final[Mapping[str, Exchange]] = {
    "GET /v1/schedules": Exchange({200: shop.page(SCHEDULE)}),
    "GET /v1/schedules/{name}": Exchange({200: _standing()}),
    "GET /v1/schedules/{name}/next": Exchange(
        {
            200: {
                "source": "temporal",
                "items": [{"scheduled_for": shop.at("05:00:00", "25"), "fires_at": shop.at("05:00:00", "25")}],
            }
        }
    ),
    "POST /v1/schedules/{name}/pause": Exchange(
        {200: _standing(etag="2-10", state="paused", reason=WHY, next_tick=None, updated_by=shop.ANN)}, {"reason": WHY}
    ),
    "POST /v1/schedules/{name}/resume": Exchange(
        {200: _standing(etag="2-11", reason="the migration is done", updated_by=shop.ANN)},
        {"reason": "the migration is done"},
    ),
    "POST /v1/schedules/{name}/trigger": Exchange(
        {
            200: {
                "key": "6f1c0a52-3b5e-4f4e-9a55-0b9f0c6a2f10",
                "result": "started",
                "reason": None,
                "run_id": f"activity-{shop.REPORT}-pfsw4ylsorqxg3lbmnugs3tfom",
            }
        },
        {"reason": "the report is wanted now"},
    ),
    "POST /v1/schedules/{name}/backfill": Exchange(
        {
            200: {
                "items": [
                    {"scheduled_for": shop.at("05:00:00", "23"), "result": "asked", "run_id": None},
                    {"scheduled_for": NOMINAL, "result": "ran", "run_id": shop.REPORT_RUN},
                ],
                "counts": {"asked": 1, "ran": 1},
            }
        },
        {"from": shop.at("00:00:00", "23"), "to": shop.at("12:00:00"), "reason": "it was paused over the migration"},
    ),
    "GET /v1/schedule-audit": Exchange(
        {
            200: {
                "from": shop.at("12:00:00", "22"),
                "to": shop.at("12:00:00"),
                "definitions": [
                    {"definition": "daily-report", "expected": 2, "counts": {"started": 1, "missing": 1}},
                ],
                "alarms": 1,
                "discrepancies": [
                    {
                        "definition": "daily-report",
                        "tick": f"tick:{shop.at('05:00:00', '23')}",
                        "trouble": "tick_missing",
                        "expected": "a run, or a recorded skip",
                        "found": "nothing",
                    }
                ],
            }
        }
    ),
}
"""By method and path."""
