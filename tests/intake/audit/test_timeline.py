from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.intake.audit.timeline import OVERLAP, Timeline
from taskfactory.registry import IngressRevision

START = datetime(2026, 1, 1, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)


def line(from_offset: int, revision: int, member: str = "a", minutes: float = 0) -> IngressRevision:
    return IngressRevision("group", "events", 0, from_offset, revision, member, START + timedelta(minutes=minutes))


def candidates(*lines: IngressRevision, offset: int, minutes: float | None = None) -> tuple[int, ...]:
    timestamp = None if minutes is None else START_MS + int(minutes * 60_000)
    return Timeline.of(lines).deciders(offset, timestamp).revisions


def test_between_two_lines_of_one_member_the_first_decided() -> None:
    lines = [line(0, 1), line(10, 2), line(20, 5)]
    assert [candidates(*lines, offset=offset) for offset in (0, 9, 10, 19, 20, 99)] == [
        (1,),
        (1,),
        (2,),
        (2,),
        (5,),
        (5,),
    ]


def test_a_record_before_the_first_line_is_covered_by_none() -> None:
    assert candidates(line(10, 1), offset=9) == ()
    assert candidates(offset=9) == ()


def test_after_a_step_back_both_may_have_decided() -> None:
    lines = [line(0, 1), line(10, 2), line(5, 3)]
    assert candidates(*lines, offset=4) == (1,)
    assert candidates(*lines, offset=5) == (3, 1)
    assert candidates(*lines, offset=12) == (3, 2)


def test_another_member_may_read_again_though_its_offset_is_higher() -> None:
    lines = [line(0, 1), line(50, 2, "b")]
    assert candidates(*lines, offset=60) == (2, 1)


def test_the_latest_pass_did_decide_if_another_member_began_it() -> None:
    assert Timeline.of([line(0, 1), line(5, 2, "b")]).deciders(7, None) == ((2, 1), True)
    # Lines of one member may reach the log out of order, so there nothing is certain.
    assert Timeline.of([line(10, 2), line(5, 1)]).deciders(12, None) == ((1, 2), False)
    assert Timeline.of([line(0, 1), line(10, 2)]).deciders(12, None) == ((2,), True)


def test_a_line_at_the_same_offset_is_a_reading_again() -> None:
    assert candidates(line(0, 1), line(0, 2), offset=3) == (2, 1)


def test_a_record_that_is_younger_than_the_new_reading_was_decided_by_it_alone() -> None:
    lines = [line(0, 1), line(5, 2, "b", minutes=60)]
    later = 60 + OVERLAP.total_seconds() / 60 + 1
    assert candidates(*lines, offset=7, minutes=30) == (2, 1)
    assert candidates(*lines, offset=7, minutes=62) == (2, 1)
    assert candidates(*lines, offset=7, minutes=later) == (2,)


LINES = st.lists(
    st.builds(line, st.integers(0, 30), st.integers(1, 5), st.sampled_from("ab"), st.integers(0, 100)), max_size=8
)


@given(LINES, st.integers(0, 40), st.none() | st.integers(-10, 120))
def test_the_revision_that_really_decided_is_always_a_candidate(
    lines: list[IngressRevision], offset: int, minutes: int | None
) -> None:
    """The last line at or below an offset is the one under which it was decided last, whatever came before."""
    last = next((item.revision for item in reversed(lines) if item.from_offset <= offset), None)
    found = candidates(*lines, offset=offset, minutes=minutes)
    assert found[:1] == (() if last is None else (last,))
    assert set(found) <= {item.revision for item in lines if item.from_offset <= offset}
