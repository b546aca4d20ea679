"""`taskfactory get`: what a row of a table says."""

from datetime import timedelta

import pytest

from taskfactory.cli.cells import moment, span, took
from taskfactory.cli.tables import runs_table, tasks_table

RUN = {
    "run_id": "activity-a-k",
    "definition": "orders",
    "version": 3,
    "generation": 2,
    "state": "failed",
    "error": {"type": "cel_error", "message": "no such key: sku"},
    "dedupe_strategy": "event_id",
    "dedupe_key": "/shop 7",
    "event_source": "/shop",
    "event_id": "7",
    "event_type": "order.placed",
    "task_count": 2,
    "started_at": "2026-11-23T09:30:00Z",
    "ended_at": "2026-11-23T09:30:00.840Z",
}
TASK = {
    "task_id": "activity-a-k/reserve",
    "run_id": "activity-a-k",
    "definition": "orders",
    "name": "reserve",
    "index": None,
    "type": "activity",
    "handler": "reserve_stock",
    "queue": "warehouse",
    "state": "waiting_for_worker",
    "attempts": 0,
    "error": None,
    "scheduled_at": "2026-11-23T09:30:00Z",
    "ended_at": None,
}


def test_a_failed_run_shows_its_reason() -> None:
    table = runs_table([RUN])
    row = dict(zip(table.head, table.rows[0], strict=True))
    assert row["REASON"] == "cel_error: no such key: sku"
    assert (row["DEFINITION"], row["STATE"], row["TASKS"]) == ("orders@3", "failed", "2")
    assert (row["STARTED"], row["TOOK"]) == ("2026-11-23 09:30:00Z", "0.84s")
    assert (row["KEY"], row["GENERATION"]) == ("/shop 7", "2")


def test_a_task_that_no_worker_polls_shows_that_it_waits() -> None:
    table = tasks_table([TASK])
    row = dict(zip(table.head, table.rows[0], strict=True))
    assert (row["STATE"], row["QUEUE"], row["ENDED"], row["REASON"]) == ("waiting_for_worker", "warehouse", "-", "-")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0.00s"), (9.994, "9.99s"), (12.4, "12s"), (62, "0:01:02"), (90_000, "1 day, 1:00:00")]
)
def test_a_span_is_shown_as_precisely_as_it_is_short(seconds: float, shown: str) -> None:
    assert span(timedelta(seconds=seconds)) == shown


def test_times_are_shown_in_utc_whatever_zone_they_came_in() -> None:
    assert moment("2026-11-23T10:30:00+01:00") == "2026-11-23 09:30:00Z"
    assert (moment(None), took("2026-11-23T09:30:00Z", None)) == ("-", "-")
