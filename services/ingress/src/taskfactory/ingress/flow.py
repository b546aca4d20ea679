"""How much may be in flight, and when consumption pauses and resumes. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds above which consumption pauses."""

    records: int
    bytes: int


@dataclass(slots=True)
class InFlight:
    """Records consumed and not yet settled.

    Consumption pauses at a bound and resumes at half of it: librdkafka throws prefetched records away on a pause, so
    it should not flutter.
    """

    limits: Limits
    records: int = 0
    bytes: int = 0
    paused: bool = False

    @property
    def room(self) -> int:
        """Records that may be fetched before the bound is reached, at least 1."""
        return max(1, self.limits.records - self.records)

    def add(self, size: int) -> None:
        """Count a record of `size` bytes in."""
        self.records += 1
        self.bytes += size

    def remove(self, size: int) -> None:
        """Count a record of `size` bytes out."""
        self.records -= 1
        self.bytes -= size

    def balance(self) -> bool:
        """Decide about pausing by what is in flight now, and return the decision."""
        if self.records >= self.limits.records or self.bytes >= self.limits.bytes:
            self.paused = True
        elif self.records <= self.limits.records // 2 and self.bytes <= self.limits.bytes // 2:
            self.paused = False
        return self.paused
