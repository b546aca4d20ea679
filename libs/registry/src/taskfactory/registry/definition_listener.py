"""Changes of the definitions, noticed within a second: LISTEN on a connection of its own, and a slow poll as a net."""

import logging
import threading
from collections.abc import Iterator
from typing import Final

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from taskfactory.registry.revisions import CHANNEL

_log = logging.getLogger(__name__)

_SLICE: Final = 0.25
"""Seconds for which the stop flag may go unnoticed."""
_RECONNECT: Final = (0.1, 5.0)
"""Seconds between attempts to connect: at first, and at most."""


class DefinitionListener:
    """Yields the definitions' revision whenever it has changed. For use by one thread.

    A notification that is lost (the connection broke, the database restarted) costs at most the poll interval: the
    revision is read again after every reconnection and every `poll_interval` seconds.
    """

    def __init__(self, engine: Engine, *, poll_interval: float = 10.0) -> None:
        """Listen where `engine` connects to; nothing is opened before `revisions`."""
        self._engine = engine
        self._poll_interval = poll_interval

    def revisions(self, stop: threading.Event) -> Iterator[int]:
        """The present revision, then every later one that is noticed, until `stop` is set.

        Revisions rise; several changes in quick succession may show as one. While the database is away it is tried
        again and again, with a warning in the log.
        """
        seen: int | None = None
        delay = _RECONNECT[0]
        while not stop.is_set():
            try:
                for revision in self._connected(stop):
                    delay = _RECONNECT[0]
                    if revision != seen:
                        seen = revision
                        yield revision
            except (psycopg.Error, SQLAlchemyError) as error:
                _log.warning("definitions can't be watched, trying again in %.1f s: %s", delay, _first_line(error))
                stop.wait(delay)
                delay = min(delay * 2, _RECONNECT[1])

    def _connected(self, stop: threading.Event) -> Iterator[int]:
        """The revision after each notification or poll, for as long as one connection lasts."""
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            driver = connection.connection.driver_connection
            connection.detach()
            assert isinstance(driver, psycopg.Connection)  # noqa: S101 -- for the type checker: this engine's driver
            try:
                driver.execute(f"LISTEN {CHANNEL}".encode())
                while not stop.is_set():
                    row = driver.execute("SELECT revision FROM definitions_revision").fetchone()
                    yield row[0] if row else 0
                    self._wait(driver, stop)
            except psycopg.Error:
                connection.invalidate()  # or SQLAlchemy tries to roll it back, and logs a traceback
                raise

    def _wait(self, driver: psycopg.Connection, stop: threading.Event) -> None:
        """Return when something was notified, the poll is due, or `stop` is set."""
        for _ in range(max(1, round(self._poll_interval / _SLICE))):
            if stop.is_set() or any(True for _ in driver.notifies(timeout=_SLICE, stop_after=1)):
                return


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
