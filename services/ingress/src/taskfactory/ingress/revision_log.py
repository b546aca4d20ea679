"""The log of revisions in PostgreSQL, for an event loop: a database that is away is `Unavailable`."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from taskfactory.intake import Unavailable
from taskfactory.registry import IngressRevision, IngressRevisions


class RegistryRevisions:
    """See `RevisionLog`."""

    def __init__(self, engine: Engine) -> None:
        self._log = IngressRevisions(engine)

    async def put(self, lines: Sequence[IngressRevision]) -> None:
        """Append lines, in a thread."""
        try:
            await asyncio.to_thread(self._log.put, lines)
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
            raise Unavailable(
                type(error).__name__, f"the registry does not take the log of revisions: {reason}"
            ) from error
