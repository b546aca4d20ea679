"""Thousands of schedules on a real Temporal: made from nothing, compared when nothing changed, and deleted."""

import os
import resource
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from taskfactory.cli.temporal_setup import prepare_namespace
from taskfactory.definitions import CronTrigger
from taskfactory.orchestrator.schedules.reconciler import ScheduleReconciler
from taskfactory.orchestrator.schedules.temporal_schedules import TemporalSchedules
from taskfactory.registry import ScheduleChanges, Scheduled
from tests.chaos.own_temporal import OwnTemporal

COUNT: Final = 5_000
FROM_NOTHING_SECONDS: Final = 300
UNCHANGED_SECONDS: Final = 15
INTERVAL: Final = 10.0


class States:
    """A registry with as many definitions as asked for; each fires once a day, at a minute of its own."""

    def __init__(self, count: int) -> None:
        now = datetime.now(UTC)
        self.scheduled = [
            Scheduled(
                activity_id=str(uuid4()),
                name=f"daily-{number}",
                trigger=CronTrigger(type="cron", cron=(f"{number % 60} {(now.hour + 6) % 24} * * *",)),
                state="enabled",
                since=now,
                by="bench",
                reason=None,
            )
            for number in range(count)
        ]
        self.gone = False

    def revision(self) -> int:
        return int(self.gone)

    def changes(self, since: int | None) -> ScheduleChanges:  # noqa: ARG002 -- all of it changes at once
        if self.gone:
            return ScheduleChanges(1, (), [item.activity_id for item in self.scheduled], ())
        return ScheduleChanges(0, self.scheduled, (), ())


class NoTicks:
    def latest(self, activity_ids: Collection[str]) -> dict[str, datetime]:  # noqa: ARG002 -- there are none
        return {}


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def count_ours(schedules: TemporalSchedules) -> int:
    return sum([await schedules.is_ours(entry) async for entry in schedules.listed()])


@pytest.mark.chaos
@pytest.mark.timeout(900)
async def test_thousands_of_schedules_are_made_compared_and_deleted_in_time(
    own_temporal: OwnTemporal, record_property: Callable[[str, object], None]
) -> None:
    client = await Client.connect(own_temporal.address, data_converter=pydantic_data_converter)
    await prepare_namespace(client, timedelta(days=1))
    schedules = TemporalSchedules(client, "queue")
    states = States(COUNT)
    reconciler = ScheduleReconciler(states, NoTicks(), schedules, interval=INTERVAL)

    async def until(count: int) -> float:
        """Pass until a list shows so many; the seconds that it took."""
        started, used = time.monotonic(), cpu()
        while await count_ours(schedules) != count:
            await reconciler.reconcile()
        took = time.monotonic() - started
        told = f"{took:.1f} s, {cpu() - used:.1f} s of CPU here, load {os.getloadavg()[0]:.1f}"
        record_property(f"to {count:,} schedules", told)
        return took

    try:
        assert await until(COUNT) < FROM_NOTHING_SECONDS
        started = time.monotonic()
        assert await count_ours(schedules) == COUNT
        record_property("list", f"{time.monotonic() - started:.1f} s")
        # Once more with nothing known but the list, as a new leader has it.
        fresh = ScheduleReconciler(states, NoTicks(), schedules, interval=INTERVAL)
        started, used = time.monotonic(), cpu()
        await fresh.reconcile()
        took = time.monotonic() - started
        record_property("unchanged pass", f"{took:.1f} s, {cpu() - used:.1f} s of CPU here")
        assert took < UNCHANGED_SECONDS
        assert await count_ours(schedules) == COUNT
    finally:
        states.gone = True
        await until(0)
