"""No payload is dropped that an execution may still need."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.orchestrator.payload_retention import drop_before
from taskfactory.payloads import TOUCH_AFTER

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SPANS = st.timedeltas(timedelta(0), timedelta(days=4000))


@given(SPANS, st.none() | SPANS)
def test_what_is_dropped_is_older_than_the_retention_and_than_every_open_run(
    keep: timedelta, open_for: timedelta | None
) -> None:
    oldest = None if open_for is None else NOW - open_for
    before = drop_before(NOW, keep, oldest)
    assert before <= NOW - keep - TOUCH_AFTER
    assert oldest is None or before <= oldest - TOUCH_AFTER


def test_with_no_run_open_the_retention_alone_decides() -> None:
    assert drop_before(NOW, timedelta(days=97), None) == NOW - timedelta(days=97) - TOUCH_AFTER
