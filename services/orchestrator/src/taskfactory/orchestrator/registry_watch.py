"""Whether the registry answers, for readiness."""

import asyncio
from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from taskfactory.runtime import Shared

INTERVAL_SECONDS: Final = 5.0


class RegistryWatch:
    """Asks the registry something small again and again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._problem: str | None = "not asked yet"

    def problem(self) -> str | None:
        """What the latest look found; None when the registry answered. From any thread."""
        return self._problem

    async def run(self, shared: Shared) -> None:
        """Look until the process is asked to stop."""
        while not shared.stop.is_set():
            self._problem = await asyncio.to_thread(self._look)
            await shared.pause(INTERVAL_SECONDS)

    def _look(self) -> str | None:
        try:
            with self._engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            return f"no answer from the registry: {error}".partition("\n")[0]
        return None
