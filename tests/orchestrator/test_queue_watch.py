"""When a task queue counts as polled."""

from datetime import UTC, datetime, timedelta

from taskfactory.orchestrator.queue_watch import is_polled
from taskfactory.orchestrator.reconciler import closed_badly_query

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_queue_that_was_never_polled_has_no_worker() -> None:
    assert not is_polled([], NOW)


def test_a_poll_within_the_last_minute_means_a_worker() -> None:
    assert is_polled([NOW - timedelta(minutes=10), NOW - timedelta(seconds=60)], NOW)


def test_a_worker_that_has_not_polled_for_longer_is_gone() -> None:
    assert not is_polled([NOW - timedelta(seconds=76)], NOW)


def test_the_reconcilers_query_asks_for_bad_ends_on_its_own_queue_only() -> None:
    query = closed_badly_query("my-queue", NOW)
    assert "TaskQueue = 'my-queue'" in query
    assert "'Terminated', 'TimedOut', 'Failed', 'Canceled'" in query
    assert "CloseTime >= '2026-01-01T00:00:00+00:00'" in query
