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


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=200), st.integers(1, 30), st.integers(1, 10))
def test_a_record_that_turns_out_to_be_dead_later_counts_once_and_only_while_it_is_among_the_latest(
    steps: list[tuple[bool, int]], window: int, at_least: int
) -> None:
    watched = DeadLetterShare(ShareLimit(0.5, window, at_least))
    records: list[bool] = []
    for is_new, which in steps:
        if is_new or not records:
            assert watched.note(None) == len(records)
            records.append(False)
        else:
            watched.amend(which % len(records), "refused_by_temporal")
            records[which % len(records)] = True
        latest = records[-window:]
        assert (watched.problem() is not None) == (sum(latest) >= at_least and sum(latest) > 0.5 * len(latest))


def test_the_sentence_names_the_reasons_and_what_to_do() -> None:
    watched = DeadLetterShare(ShareLimit(0.5, window=10, at_least=1))
    for reason in ("malformed_json", "too_large", "malformed_json", None):
        watched.note(reason)
    said = watched.problem() or ""
    assert said.startswith("3 of the latest 4 records were dead-lettered (2 malformed_json, 1 too_large)")
    assert "taskfactory dlq list" in said
