from hypothesis import given
from hypothesis import strategies as st

from taskfactory.ingress.dead_letter_share import DeadLetterShare, ShareLimit

REASONS = st.one_of(st.none(), st.sampled_from(["malformed_json", "too_large"]))


@given(st.lists(REASONS, max_size=200), st.floats(0, 1), st.integers(1, 30), st.integers(1, 10))
def test_it_is_a_problem_exactly_while_too_many_of_the_latest_records_are_dead(
    records: list[str | None], share: float, window: int, at_least: int
) -> None:
    watched = DeadLetterShare(ShareLimit(share, window, at_least))
    for count, reason in enumerate(records, start=1):
        watched.note(reason)
        latest = records[max(0, count - window) : count]
        dead = sum(1 for each in latest if each is not None)
        assert (watched.problem() is not None) == (dead >= at_least and dead > share * len(latest))


def test_the_sentence_names_the_reasons_and_what_to_do() -> None:
    watched = DeadLetterShare(ShareLimit(0.5, window=10, at_least=1))
    for reason in ("malformed_json", "too_large", "malformed_json", None):
        watched.note(reason)
    said = watched.problem() or ""
    assert said.startswith("3 of the latest 4 records were dead-lettered (2 malformed_json, 1 too_large)")
    assert "taskfactory dlq list" in said


@given(st.lists(st.tuples(REASONS, st.booleans()), max_size=60), st.integers(1, 30))
def test_a_record_whose_run_is_refused_counts_as_one_that_was_dead_from_the_start(
    records: list[tuple[str | None, bool]], window: int
) -> None:
    told_late, told_at_once = (DeadLetterShare(ShareLimit(0.5, window, at_least=2)) for _ in range(2))
    for reason, refused in records:
        late = reason is None and refused
        told_late.note(reason)
        if late:
            told_late.note_after_all("run_input_too_large")
        told_at_once.note("run_input_too_large" if late else reason)
        assert told_late.problem() == told_at_once.problem()
