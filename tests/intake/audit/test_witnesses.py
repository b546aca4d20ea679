"""What names a partition's records is looked for from the first record's time on, if that is a time at all."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from taskfactory.intake import Record
from taskfactory.intake.audit.witnesses import CLOCKS, TriggeredRuns
from taskfactory.intake.history import OffsetRange
from taskfactory.registry import Evidence, RunFact

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class AskedEvidence(Evidence):
    """Remembers since when runs were asked for."""

    def __init__(self) -> None:
        self.since: list[datetime | None] = []

    def runs_triggered_in(self, *_: Any, since: datetime | None = None, **__: Any) -> Iterator[RunFact]:
        self.since.append(since)
        return iter(())


@pytest.mark.parametrize(
    ("timestamp", "since"),
    [(int(NOON.timestamp() * 1000), NOON - CLOCKS), (None, None), (9_000_000_000_000_000_000, None)],
)
def test_runs_are_narrowed_by_the_first_records_time_if_the_calendar_has_it(
    timestamp: int | None, since: datetime | None
) -> None:
    evidence = AskedEvidence()
    TriggeredRuns(evidence, OffsetRange("events", 0, 0, 9), None).since(Record("events", 0, 0, timestamp, None, b"{}"))
    assert evidence.since == [since]
