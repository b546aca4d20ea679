"""Which definitions have something in flight, and since when the oldest of it waits. Pure.

Belongs to the event loop's thread; `oldest` may be asked from any.
"""

from collections import defaultdict
from itertools import count


class InFlightDecisions:
    """Decisions that were made and are not durable yet, by definition."""

    def __init__(self) -> None:
        self._tickets = count()
        self._since: defaultdict[str, dict[int, float]] = defaultdict(dict)

    def begin(self, definition: str, since: float) -> int:
        """Note a decision.

        Args:
            definition: its name.
            since: when the record was produced, seconds since the epoch.

        Returns:
            A ticket, to be given back at the `end`.
        """
        ticket = next(self._tickets)
        self._since[definition][ticket] = since
        return ticket

    def end(self, definition: str, ticket: int) -> None:
        """The decision is durable, or left to another process."""
        tickets = self._since[definition]
        del tickets[ticket]
        if not tickets:
            del self._since[definition]

    def oldest(self) -> dict[str, float]:
        """By definition, when the oldest record was produced of which something is in flight."""
        # Copied in one step each, so that the loop's thread may go on meanwhile.
        copies = {definition: list(tickets.values()) for definition, tickets in list(self._since.items())}
        return {definition: min(times) for definition, times in copies.items() if times}
