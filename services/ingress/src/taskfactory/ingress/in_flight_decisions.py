"""Which definitions have something in flight, and since when the oldest of it waits.

Belongs to the event loop's thread; `oldest` and `records` may be asked from any.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count


class InFlightDecisions:
    """Decisions that were made and are not durable yet, by definition."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Begin with none; `clock` gives seconds since the epoch."""
        self._clock = clock
        self._tickets = count()
        self._since: defaultdict[str, dict[int, float]] = defaultdict(dict)

    @contextmanager
    def waiting(self, definitions: Iterable[str | None], timestamp: int | None) -> Iterator[Callable[[], None]]:
        """Decisions about one record are being made durable, one after the other.

        Args:
            definitions: the name of each decision's definition, in this order; None for one about the record itself.
            timestamp: the record's, in milliseconds since the epoch; None stands for now.

        Yields:
            What to call whenever the next one is durable. At the end of the block none of them waits any longer.
        """
        since = self._clock() if timestamp is None else timestamp / 1000
        waiting = deque((definition, next(self._tickets)) for definition in definitions)
        for definition, ticket in waiting:
            if definition is not None:
                self._since[definition][ticket] = since

        def next_is_durable() -> None:
            self._end(*waiting.popleft())

        try:
            yield next_is_durable
        finally:
            for definition, ticket in waiting:
                self._end(definition, ticket)

    def oldest(self) -> dict[str, float]:
        """By definition, when the oldest record of which something is in flight was produced, in epoch seconds."""
        # Copied in one step each, so that the loop's thread may go on meanwhile.
        copies = {definition: list(tickets.values()) for definition, tickets in list(self._since.items())}
        return {definition: min(times) for definition, times in copies.items() if times}

    def records(self) -> dict[str, int]:
        """By definition, of how many records something is in flight."""
        return {definition: len(tickets) for definition, tickets in list(self._since.items()) if tickets}

    def _end(self, definition: str | None, ticket: int) -> None:
        if definition is not None:
            del self._since[definition][ticket]
            if not self._since[definition]:
                del self._since[definition]
