"""Thousands of schedules on a real Temporal: made from nothing, compared when nothing changed, and deleted."""

import os
import resource
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

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


class Measure:
    """Time since it was made, by the clock and in CPU seconds of this process and of Temporal."""

    def __init__(self, temporal: OwnTemporal) -> None:
        self._temporal = temporal
        self._began = time.monotonic()
        self._ours, self._theirs = self._cpu()

    def seconds(self) -> float:
        """By the clock, unless others keep the cores busy: then what was computed, as if on one core."""
        ours, theirs = self._spent()
        crowded = os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
        return ours + theirs if crowded else time.monotonic() - self._began

    def told(self) -> str:
        ours, theirs = self._spent()
        clock = time.monotonic() - self._began
        return f"{clock:.1f} s; CPU {ours:.1f} s here, {theirs:.1f} s in Temporal; load {os.getloadavg()[0]:.1f}"

    def _spent(self) -> tuple[float, float]:
        ours, theirs = self._cpu()
        return ours - self._ours, theirs - self._theirs

    def _cpu(self) -> tuple[float, float]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        stat = Path(f"/proc/{self._temporal.part.pid}/stat")
        fields = stat.read_text().rpartition(")")[2].split() if stat.exists() else ["0"] * 13
        ticks = int(fields[11]) + int(fields[12])  # proc(5): utime and stime, here without the first two fields
        return used.ru_utime + used.ru_stime, ticks / os.sysconf("SC_CLK_TCK")


def done(action: str) -> float:
    return REGISTRY.get_sample_value("taskfactory_schedules_repaired_total", {"action": action}) or 0.0


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

    async def carried(action: str) -> float:
        """Pass until all was done and a list shows it; the seconds that count."""
        count = {"created": COUNT, "deleted": 0}[action]
        before, measure = done(action), Measure(own_temporal)
        while done(action) < before + COUNT or await count_ours(schedules) != count:
            await reconciler.reconcile()
        record_property(f"{action} {COUNT:,}", measure.told())
        return measure.seconds()

    assert await carried("created") < FROM_NOTHING_SECONDS
    # Once more with nothing known but the list, as a new leader has it.
    before, busy = done("created"), 0
    while True:
        fresh, measure = ScheduleReconciler(states, NoTicks(), schedules, interval=INTERVAL), Measure(own_temporal)
        try:
            await fresh.reconcile()
            break
        except RPCError:  # the server is still at work on what was created, and describes nothing in time
            busy += 1
    record_property("unchanged pass", f"{measure.told()}; {busy} attempts before it met a busy server")
    assert measure.seconds() < UNCHANGED_SECONDS
    assert done("created") == before
    states.gone = True
    await carried("deleted")
