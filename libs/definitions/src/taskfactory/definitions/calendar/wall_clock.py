"""Local times of a zone and the instants that they stand for, as Temporal's server pairs them.

Instants are seconds since the epoch, local times are naive. A local time that occurs once has one instant. For one that
a change of the clock removes, or repeats, the server takes a rule of its own: the offset that is in force when the
local time, *taken for UTC*, comes. If that is across the change, the offset on the other side. So west of Greenwich a
repeated time stands for its first occurrence, and at it and east of it for its second.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 -- local times are naive here
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class WallClock:
    """The clock on the wall in one zone."""

    zone: str
    """IANA name."""

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def offset(self, instant: int) -> int:
        """Seconds east of UTC at an instant."""
        offset = datetime.fromtimestamp(instant, UTC).astimezone(self._zone).utcoffset()
        assert offset is not None  # noqa: S101 -- the time is aware
        return offset // _SECOND

    def reading(self, instant: int) -> datetime:
        """What the clock shows at an instant."""
        return local_time(instant + self.offset(instant))

    def instant(self, reading: datetime) -> int:
        """The instant that a reading stands for."""
        taken_for_utc = local_seconds(reading)
        return taken_for_utc - self.offset(taken_for_utc - self.offset(taken_for_utc))

    def is_steady(self, since: int, until: int) -> bool:
        """Whether the clock is not changed between two instants that lie less than a few weeks apart.

        No zone changes its clock and back in so short a time and ends with the same offset.
        """
        return self.offset(since) == self.offset(until)


def local_seconds(reading: datetime) -> int:
    """A local time as seconds since the local epoch."""
    return (reading - EPOCH) // _SECOND


def local_time(seconds: int) -> datetime:
    """The local time so many seconds after the local epoch."""
    return EPOCH + timedelta(seconds=seconds)
