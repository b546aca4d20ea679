"""What is in force: loaded whole at the start, and brought up to date on every change.

Readers take one reference to an immutable value; a reload swaps that reference. What does not compile never replaces
what does.
"""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from taskfactory.ingress import metrics
from taskfactory.intake import InForce
from taskfactory.registry import DefinitionChanges

RETRY_SECONDS: Final = 1.0

log = structlog.get_logger("taskfactory.ingress")


class Revisions(Protocol):
    """What is used of the registry's `DefinitionListener`."""

    def revisions(self, stop: threading.Event) -> Iterator[int]:
        """The present revision, then every later one, until `stop` is set."""


class DefinitionWatch:
    """Holds what is in force now."""

    def __init__(self, changes: Callable[[int | None], DefinitionChanges], revisions: Revisions) -> None:
        """Wire the watch; `follow` makes it work.

        Args:
            changes: reads what changed since a revision, or everything; called in a thread.
            revisions: says when to.
        """
        self.loaded = asyncio.Event()
        """Set once there is something."""
        self._changes = changes
        self._revisions = revisions
        self._current: InForce | None = None

    @property
    def current(self) -> InForce:
        """What is in force; nothing before `loaded`."""
        return self._current or InForce.nothing()

    def problem(self) -> str | None:
        """Why events can't be matched; None if they can. From any thread."""
        return None if self.loaded.is_set() else "no definitions loaded yet"

    async def follow(self) -> None:
        """Load, and reload on every change, until cancelled."""
        stop = threading.Event()
        try:
            await asyncio.to_thread(self._follow, stop, asyncio.get_running_loop())
        finally:
            stop.set()

    def _follow(self, stop: threading.Event, loop: asyncio.AbstractEventLoop) -> None:
        for revision in self._revisions.revisions(stop):
            if self._reload(revision, stop):
                loop.call_soon_threadsafe(self.loaded.set)

    def _first(self) -> InForce:
        """Everything. Thousands of definitions are millions of objects, and none of them is garbage.

        The collector would look through them again and again while they are made (two thirds of the time at 10,000
        definitions), and now and then for ever after, with the event loop standing still meanwhile.
        """
        gc.disable()
        try:
            loaded = InForce.nothing().updated(self._changes(None))
        finally:
            gc.enable()
        gc.collect()
        gc.freeze()
        return loaded

    def _next(self, current: InForce) -> InForce:
        return current.updated(self._changes(current.revision))

    def _reload(self, revision: int, stop: threading.Event) -> bool:
        while not stop.is_set():
            try:
                updated = self._first() if self._current is None else self._next(self._current)
            except SQLAlchemyError as error:
                log.warning("definitions_unreadable", revision=revision, error=str(error))
                stop.wait(RETRY_SECONDS)
            except Exception:
                # Whatever it is that this version can't digest: the set in force is still a good one.
                metrics.DEFINITIONS_REFUSED.inc()
                log.exception("definitions_refused", revision=revision)
                return False
            else:
                self._current = updated
                metrics.DEFINITIONS.set(len(updated.definitions))
                metrics.SHADOW_VERSIONS.set(len(updated.shadows))
                metrics.DEFINITIONS_REVISION.set(updated.revision)
                log.info("definitions_loaded", revision=updated.revision, enabled=len(updated.definitions))
                return True
        return False
