"""The definitions in force: loaded at the start, reloaded whole on every change.

Readers take one reference to an immutable set; a reload swaps that reference. A set that does not compile never
replaces one that does.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from taskfactory.definitions import DefinitionSet, RegisteredDefinition
from taskfactory.ingress import metrics

RETRY_SECONDS: Final = 1.0

log = structlog.get_logger("taskfactory.ingress")


class Revisions(Protocol):
    """What is used of the registry's `DefinitionListener`."""

    def revisions(self, stop: threading.Event) -> Iterator[int]:
        """The present revision, then every later one, until `stop` is set."""


class DefinitionWatch:
    """Holds the current `DefinitionSet`."""

    def __init__(self, load: Callable[[], Sequence[RegisteredDefinition]], revisions: Revisions) -> None:
        """Wire the watch; `follow` makes it work.

        Args:
            load: reads the enabled definitions; called in a thread.
            revisions: says when to.
        """
        self.loaded = asyncio.Event()
        """Set once there is a first set."""
        self._load = load
        self._revisions = revisions
        self._current = DefinitionSet(())

    @property
    def current(self) -> DefinitionSet:
        """The set in force; empty before `loaded`."""
        return self._current

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

    def _reload(self, revision: int, stop: threading.Event) -> bool:
        while not stop.is_set():
            try:
                registered = self._load()
                compiled = DefinitionSet(registered)
            except SQLAlchemyError as error:
                log.warning("definitions_unreadable", revision=revision, error=str(error))
                stop.wait(RETRY_SECONDS)
            except Exception:
                # Whatever it is that this version can't digest: the set in force is still a good one.
                metrics.DEFINITIONS_REFUSED.inc()
                log.exception("definitions_refused", revision=revision)
                return False
            else:
                self._current = compiled
                metrics.DEFINITIONS.set(len(registered))
                metrics.DEFINITIONS_REVISION.set(revision)
                log.info("definitions_loaded", revision=revision, enabled=len(registered))
                return True
        return False
