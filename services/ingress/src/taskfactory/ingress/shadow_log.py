"""What shadow versions would have done, on its way into PostgreSQL: who writes at the same time shares a transaction.

Whoever comes while one is under way joins the next. A batch that failed has failed for everybody in it; each of them
tries again for as long as it has to.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from taskfactory.intake import Unavailable
from taskfactory.registry import Refused, ShadowMatch

log = structlog.get_logger("taskfactory.ingress")


class ShadowLog(Protocol):
    """Where it is written down."""

    async def put(self, matches: Sequence[ShadowMatch]) -> None:
        """Return when it is durable. The same may be written again.

        Raises:
            Unavailable: not now; try again.
        """


class _Batch:
    def __init__(self) -> None:
        self.matches: list[ShadowMatch] = []
        self.is_written = False


class RegistryShadows:
    """See `ShadowLog`."""

    def __init__(self, put: Callable[[Sequence[ShadowMatch]], None]) -> None:
        """Write with this (`ShadowMatches.put`), in a thread."""
        self._put = put
        self._open = _Batch()
        self._order = asyncio.Lock()

    async def put(self, matches: Sequence[ShadowMatch]) -> None:
        """See `ShadowLog.put`."""
        batch = self._open
        batch.matches += matches
        async with self._order:
            if batch is self._open:
                self._open = _Batch()
                await self._write(batch)
        if not batch.is_written:
            raise Unavailable("BatchFailed", "the registry did not take what shadow versions would have done")

    async def _write(self, batch: _Batch) -> None:
        try:
            await asyncio.to_thread(self._put, batch.matches)
        except Refused as refused:
            # It is for people to look at: nothing that decides may wait for it for ever.
            log.error("shadow_matches_refused", rows=len(batch.matches), reason=refused.reason)
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
            message = f"the registry does not take what shadow versions would have done: {reason}"
            raise Unavailable(type(error).__name__, message) from error
        batch.is_written = True
