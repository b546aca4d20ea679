"""The listener: a change is seen within a second, even after the database cut the line."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from taskfactory.registry import DefinitionListener, DefinitionStore
from tests.registry.samples import definition

Sql = Callable[..., list[Any]]

LISTENERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND query IN ('LISTEN taskfactory_definitions', 'SELECT revision FROM definitions_revision')"
)


@contextmanager
def listening(engine: Engine, poll_interval: float = 60.0) -> Iterator["queue.Queue[int]"]:
    """Revisions as a thread of a service would see them; the slow poll is far away unless asked for."""
    seen: queue.Queue[int] = queue.Queue()
    stop = threading.Event()

    def watch() -> None:
        for revision in DefinitionListener(engine, poll_interval=poll_interval).revisions(stop):
            seen.put(revision)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(timeout=5)
        assert not thread.is_alive(), "the listener did not notice the stop flag"


def change(definitions: DefinitionStore) -> int:
    definitions.apply([definition(f"listened-{uuid4()}")], "ann")
    return definitions.revision()


def test_the_present_revision_comes_first_and_changes_follow_within_a_second(
    engine: Engine, definitions: DefinitionStore
) -> None:
    with listening(engine) as seen:
        assert seen.get(timeout=5) == definitions.revision()
        for _ in range(3):
            changed = change(definitions)
            assert seen.get(timeout=1) == changed


def test_a_cut_connection_is_replaced_and_the_change_in_between_is_seen(
    engine: Engine, definitions: DefinitionStore, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("ERROR"), listening(engine) as seen:
        seen.get(timeout=5)
        assert sql(f"SELECT pg_terminate_backend(pid) {LISTENERS}") == [(True,)]
        changed = change(definitions)
        assert seen.get(timeout=2) == changed
        changed = change(definitions)
        assert seen.get(timeout=1) == changed
    assert caplog.records == []  # one warning says it; no traceback of the pool's


def test_a_lost_notification_costs_one_poll(engine: Engine, definitions: DefinitionStore, sql: Sql) -> None:
    with listening(engine, poll_interval=0.5) as seen:
        before = seen.get(timeout=5)
        # Without the trigger nothing is notified, as if the notification had been lost.
        sql("UPDATE definitions_revision SET revision = revision + 1")
        assert seen.get(timeout=2) == before + 1


def test_nothing_is_said_while_nothing_changes(engine: Engine, definitions: DefinitionStore, sql: Sql) -> None:
    with listening(engine, poll_interval=0.25) as seen:
        seen.get(timeout=5)
        sql("NOTIFY taskfactory_definitions")
        changed = change(definitions)
        assert seen.get(timeout=1) == changed


def test_a_database_that_is_away_is_tried_again_until_told_to_stop() -> None:
    from taskfactory.registry import open_engine  # noqa: PLC0415 -- only this test needs no server

    stop = threading.Event()
    engine = open_engine("postgresql://nobody@127.0.0.1:1/nowhere")
    thread = threading.Thread(target=lambda: list(DefinitionListener(engine).revisions(stop)))
    thread.start()
    started = time.monotonic()
    stop.set()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert time.monotonic() - started < 5
