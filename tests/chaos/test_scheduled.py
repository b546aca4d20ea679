"""Temporal goes away over several ticks: each of them is decided about, as its definition says."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from taskfactory.definitions import MisfirePolicy, Overlap
from taskfactory.definitions.tick_decision import GRACE
from tests.chaos.own_temporal import OwnTemporal
from tests.conftest import RunningStack
from tests.e2e.platform import Platform, eventually
from tests.e2e.scheduling import Scheduling

EVERY: Final = timedelta(seconds=5)
OUTAGE: Final = 40.0
"""Seconds; several ticks are missed by more than the grace."""

Row = dict[str, Any]

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]


@pytest.fixture
def scheduling(stack: RunningStack, own_temporal: OwnTemporal, tmp_path: Path) -> Iterator[Scheduling]:
    endpoints = replace(stack.endpoints, temporal_address=own_temporal.address)
    quick = {"TASKFACTORY_SCHEDULES_INTERVAL": "2"}
    made = Scheduling(Platform(replace(stack, endpoints=endpoints), tmp_path, settings=quick))
    try:
        yield made
    finally:
        made.platform.close()


def test_ticks_of_an_outage_are_made_up_for_as_their_definition_says(
    scheduling: Scheduling, own_temporal: OwnTemporal
) -> None:
    """Every misfire policy beside every overlap policy."""
    platform = scheduling.platform
    platform.start("orchestrator")
    platform.worker()
    names = {
        f"{misfire}-{overlap}".replace("_", "-"): (misfire, overlap)
        for misfire, overlap in product(get_args(MisfirePolicy), get_args(Overlap))
    }
    scheduling.apply_each(
        {
            name: f"every: [{{interval: {EVERY.seconds}s}}], misfire: {{policy: {misfire}}}, overlap: {overlap}"
            for name, (misfire, overlap) in names.items()
        }
    )
    eventually(lambda: all(scheduling.ticks_of(name) for name in names), "all of them tick", 120)

    own_temporal.part.kill()
    away = datetime.now(UTC)
    time.sleep(OUTAGE)  # the outage itself
    own_temporal.part.start()
    back = datetime.now(UTC)

    for name, (misfire, overlap) in names.items():
        rows = eventually(partial(settled, scheduling, name, back + 2 * EVERY), f"{name}: each tick is decided", 180)
        late = [row for row in rows if away - EVERY < row["scheduled_for"] and lateness(row) > GRACE]
        assert len(late) >= (OUTAGE - GRACE.total_seconds()) / EVERY.total_seconds() - 2, f"{name}: ticks were missed"
        problem = what_is_wrong(misfire, overlap, late, rows)
        assert problem is None, f"{name}: {problem}: {late}"
    assert {row["reason"] for row in scheduling.ticks()} <= {None, "misfire", "overlap"}


def settled(scheduling: Scheduling, name: str, after: datetime) -> list[Row] | None:
    """A definition's ticks up to one later than that, when each of them was decided about, and none waits."""
    rows = scheduling.ticks_of(name)
    until = next((number for number, row in enumerate(rows, 1) if row["scheduled_for"] > after), None)
    rows = rows[:until]
    due = [row["scheduled_for"] for row in rows]
    whole = due == [due[0] + number * EVERY for number in range(len(due))]
    return rows if until and whole and all(row["decision"] != "waiting" for row in rows) else None


def lateness(row: Mapping[str, Any]) -> timedelta:
    """How late a tick was when it was asked about first; who waits then is not late any more."""
    late: timedelta = row["asked_at"] - row["scheduled_for"]
    return late


def what_is_wrong(misfire: str, overlap: str, late: list[Row], rows: list[Row]) -> str | None:
    """What the policies do not allow about ticks that were missed; `rows` are all of the definition."""
    started = [row for row in late if row["decision"] == "started"]
    reasons = [row["reason"] for row in late if row["decision"] == "skipped"]
    lets_in = overlap in {"allow_all", "buffer_all"}
    if lets_in and "overlap" in reasons:
        return "none is kept out by another"
    if misfire == "skip":
        return None if not started and set(reasons) == {"misfire"} else "no missed tick fires"
    if misfire == "fire_all":
        return None if "misfire" not in reasons and started else "every missed tick may fire"
    # While decisions are made, the next tick may come to be missed too: then it is the latest.
    superseded = [row for row in late if lateness(row) - EVERY > GRACE]
    if [row for row in late if row["reason"] == "misfire"] != superseded:
        return "the latest one fires, and none before it"
    last = rows.index(superseded[-1]) + 1 if superseded else 0
    return None if rows[last]["reason"] != "misfire" else "the one after those that were given up fires"


def test_a_leader_that_is_killed_while_it_makes_schedules_is_followed_by_one_that_makes_the_rest(
    scheduling: Scheduling,
) -> None:
    platform = scheduling.platform
    names = [f"hourly-{number}" for number in range(300)]
    first = platform.start("orchestrator")
    scheduling.apply_each(dict.fromkeys(names, "every: [{interval: 1h}]"))
    eventually(lambda: len(scheduling.listed()) > len(names) / 10, "some were made")
    first.kill()
    half = len(scheduling.listed())
    second = platform.start("orchestrator")
    ids = {scheduling.activity_id(name) for name in names}
    eventually(lambda: scheduling.listed() == ids, "all are there", 60)
    made = len(second.entries("schedule_repaired"))
    assert made >= len(names) - half - 20, "what the first had made stayed"
    assert made < len(names), "what the first had made was not made again"
