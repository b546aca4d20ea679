from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.intake.positions import (
    AtOffset,
    AtTime,
    Earliest,
    InvalidPosition,
    Latest,
    Position,
    is_backwards,
    parse_moment,
    parse_position,
)

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def test_both_ends_of_a_topic_have_names() -> None:
    assert parse_position("earliest", NOW) == Earliest()
    assert parse_position("latest", NOW) == Latest()


@given(st.integers(0, 2**63 - 1))
def test_a_whole_number_is_an_offset(offset: int) -> None:
    assert parse_position(str(offset), NOW) == AtOffset(offset)


@given(st.datetimes(timezones=st.sampled_from([UTC])))
def test_a_time_with_its_zone_is_that_time(time: datetime) -> None:
    assert parse_position(time.isoformat(), NOW) == AtTime(time)


def test_a_time_may_be_in_any_zone_and_end_in_z() -> None:
    assert parse_moment("2026-11-20T10:00:00+01:00", NOW) == parse_moment("2026-11-20T09:00:00Z", NOW)


@given(st.datetimes(timezones=st.sampled_from([UTC])))
def test_kafka_is_never_asked_for_a_time_that_it_takes_for_something_else(time: datetime) -> None:
    since_1970 = time - datetime(1970, 1, 1, tzinfo=UTC)
    assert AtTime(time).timestamp == pytest.approx(max(0, since_1970 / timedelta(milliseconds=1)), abs=1.1)
    assert AtTime(time).timestamp >= 0


@given(st.integers(1, 3650))
def test_a_duration_counts_back_from_now(days: int) -> None:
    assert parse_position(f"{days}d", NOW) == AtTime(NOW - timedelta(days=days))


@given(st.datetimes(timezones=st.sampled_from([UTC])), st.integers(0, 2**63 - 2))
def test_what_lies_between_two_positions_lies_not_between_them_backwards(time: datetime, offset: int) -> None:
    later = AtTime(time + timedelta(seconds=1)) if time.year < 9999 else AtTime(time)
    forwards: list[tuple[Position, Position]] = [
        (AtOffset(offset), AtOffset(offset + 1)),
        (Earliest(), Latest()),
        (Earliest(), AtTime(time)),
        (Earliest(), AtOffset(offset)),
        (AtTime(time), Latest()),
        (AtOffset(offset), Latest()),
    ]
    if later.time > time:
        forwards.append((AtTime(time), later))
    for start, end in forwards:
        assert not is_backwards(start, end)
        assert is_backwards(end, start)


@pytest.mark.parametrize("one", [Earliest(), Latest(), AtOffset(3), AtTime(NOW)])
@pytest.mark.parametrize("same", [True, False])
def test_an_empty_range_and_one_that_only_the_topic_can_tell_are_not_backwards(one: Position, *, same: bool) -> None:
    other = (
        one if same else AtTime(NOW) if isinstance(one, AtOffset) else AtOffset(3) if isinstance(one, AtTime) else one
    )
    assert not is_backwards(one, other)


@pytest.mark.parametrize(
    "text",
    ["", "now", "-1", "1.5", "2026-11-20", "2026-11-20T09:00:00", "2026-W47-5", "7 d", "0d", str(2**63), "٣", "newest"],
)
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(InvalidPosition) as refused:
        parse_position(text, NOW)
    assert f"found {text!r}; allowed are earliest, latest, an offset" in str(refused.value)


@given(st.text())
def test_no_text_at_all_makes_the_parser_stumble(text: str) -> None:
    with suppress(InvalidPosition):
        parse_position(text, NOW)
