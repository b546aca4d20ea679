"""The ledger must be able to fail: balanced books balance, and every single thing that is wrong in them is named."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.books import Books, Fires, Letter, Produced, Refused, Run, Sample, Task, Terms
from tests.chaos.ledger import UnbalancedError, balance, discrepancies
from tests.chaos.traffic import EACH_ORDER, EACH_VISITOR, STUMBLES, Mix, plan

CLOCK = 1000.0
ORDER, TWIN = Fires("event-1"), Fires("event-1")
PRODUCED = [
    Produced((0, 0), "order", fates={"orders": ORDER, "stumbles": Refused("when_error")}),
    Produced((0, 1), "the order again", fates={"orders": TWIN}),
    Produced((0, 2), "poison", poison=Refused("not_an_envelope")),
    Produced((1, 0), "ignored"),
    Produced((1, 1), "another order", fates={"orders": Fires("event-2")}),
]
BOOKS = Books(
    runs=[
        Run("run-1", "orders", 1, (0, 0), "completed", "owner-1", CLOCK + 1),
        Run("run-2", "orders", 1, (1, 1), "completed", "owner-2", CLOCK + 2),
    ],
    tasks=[Task("run-1/note", "run-1", "completed"), Task("run-2/note", "run-2", "completed")],
    claim_owners={"owner-1", "owner-2"},
    letters=[Letter((0, 0), "stumbles", "when_error", CLOCK + 1), Letter((0, 2), None, "not_an_envelope", CLOCK + 3)],
    outcomes=["run-1/note/completed", "run-1/completed", "run-2/note/completed", "run-2/completed", "run-2/completed"],
    premature=[],
    effects=["run-1/note", "run-2/note", "run-2/note"],
    committed={0: 3, 1: 2},
    ends={0: 3, 1: 2},
    samples=[Sample(CLOCK, {1: 1}), Sample(CLOCK + 1.5, {0: 2, 1: 1}), Sample(CLOCK + 3, {0: 3, 1: 2})],
    peak_memory=1,
)


def lines(books: Books = BOOKS, terms: Terms = Terms()) -> str:  # noqa: B008 -- a frozen value
    return "\n".join(discrepancies(PRODUCED, books, terms))


def test_balanced_books_balance() -> None:
    assert lines() == ""
    balance(PRODUCED, BOOKS, Terms())


def test_an_unbalanced_book_raises_with_every_line() -> None:
    with pytest.raises(UnbalancedError, match=r"do not balance:\n(.*\n)*.*never ran for key event-2"):
        balance(PRODUCED, replace(BOOKS, runs=BOOKS.runs[:1]), Terms())


first, second = BOOKS.runs
WRONG = {
    "never ran for key event-2: another order at 1/1": {"runs": [first]},
    "ran 2 times for key event-1: run-1, run-3": {"runs": [first, second, replace(first, run_id="run-3")]},
    "run-1 is of generation 2": {"runs": [replace(first, generation=2), second]},
    "run-9 of orders ran for (1, 0), which must not fire it": {
        "runs": [first, second, replace(first, run_id="run-9", trigger=(1, 0))]
    },
    "run-9 of others ran for (0, 0), which must not fire it": {
        "runs": [first, second, replace(first, run_id="run-9", definition="others")]
    },
    "run-9 of orders ran for (7, 7)": {"runs": [first, second, replace(first, run_id="run-9", trigger=(7, 7))]},
    "run-2 is failed": {"runs": [first, replace(second, state="failed")]},
    "the execution of run-2 has not ended": {"runs": [first, replace(second, open=True)]},
    "2 runs have the owner owner-1": {"runs": [first, replace(second, owner="owner-1")]},
    "the run of owner owner-2 has claimed nothing": {"claim_owners": {"owner-1"}},
    "a claim of owner-3, who has no run": {"claim_owners": {"owner-1", "owner-2", "owner-3"}},
    "task run-2/note is scheduled": {"tasks": [BOOKS.tasks[0], Task("run-2/note", "run-2", "scheduled")]},
    "run-2 has a run without tasks": {"tasks": BOOKS.tasks[:1]},
    "(0, 2) was not dead-lettered as not_an_envelope for the whole record": {"letters": BOOKS.letters[:1]},
    "(0, 0) was not dead-lettered as when_error for stumbles": {"letters": BOOKS.letters[1:]},
    "(1, 1) was dead-lettered as ['boom'] for the whole record, though sound": {
        "letters": [*BOOKS.letters, Letter((1, 1), None, "boom", CLOCK)]
    },
    "(0, 2) was dead-lettered as ['boom'] instead of not_an_envelope": {
        "letters": [BOOKS.letters[0], replace(BOOKS.letters[1], reason="boom")]
    },
    "run-2 is completed, but no outcome of it": {"outcomes": BOOKS.outcomes[:3]},
    "run-1 is completed, but its outcomes say ['completed', 'failed']": {"outcomes": [*BOOKS.outcomes, "run-1/failed"]},
    "an outcome of run-3 is on Kafka": {"outcomes": [*BOOKS.outcomes, "run-3/completed"]},
    "run-1/completed was on Kafka before the database said so": {"premature": ["run-1/completed"]},
    "task run-2/note has had no effect": {"effects": ["run-1/note"]},
    "under 'run-2/else', which is no task": {"effects": [*BOOKS.effects, "run-2/else"]},
    "partition 1 is committed up to 1 of 2": {"committed": {0: 3, 1: 1}},
    "partition 0 is committed up to 0 of 3": {"committed": {1: 2}},
    "partition 0 holds 4 records, but 3 were acknowledged": {"ends": {0: 4, 1: 2}, "committed": {0: 4, 1: 2}},
    "offset 2 was committed over another order at 1/1, disposed it was only 0.500 s later": {
        "samples": [Sample(CLOCK + 1.5, {1: 2})]
    },
    "offset 3 was committed over poison at 0/2": {"samples": [Sample(CLOCK + 2, {0: 3})]},
    "offset 1 was committed over order at 0/0": {
        "letters": [replace(BOOKS.letters[0], at=CLOCK + 9), BOOKS.letters[1]],
        "samples": [Sample(CLOCK + 1, {0: 1})],
    },
    "offset of partition 0 went back from 3 to 2": {"samples": [*BOOKS.samples, Sample(CLOCK + 4, {0: 2, 1: 2})]},
    "ingress took 9 MiB of memory": {"peak_memory": 9 << 20},
}


@pytest.mark.parametrize(("said", "changes"), WRONG.items(), ids=WRONG)
def test_what_is_wrong_is_named(said: str, changes: dict[str, object]) -> None:
    books = replace(BOOKS, **changes)  # type: ignore[arg-type]
    assert said in lines(books, Terms(memory=8 << 20))


def test_a_run_that_temporal_does_not_know_is_not_durable() -> None:
    books = replace(BOOKS, runs=[first, replace(second, began=math.inf)])
    assert "another order at 1/1, disposed it never was" in lines(books)


def test_a_rewind_of_the_tests_own_is_no_step_back() -> None:
    books = replace(BOOKS, samples=[*BOOKS.samples, Sample(CLOCK + 4, {0: 0, 1: 0})])
    assert lines(books, Terms(rewound_at=CLOCK + 3.5)) == ""
    assert "went back" in lines(books)


def test_late_commits_may_step_back_but_never_ahead() -> None:
    back = replace(BOOKS, samples=[*BOOKS.samples, Sample(CLOCK + 4, {0: 2, 1: 2})])
    assert lines(back, Terms(late_commits=True)) == ""
    ahead = replace(BOOKS, samples=[Sample(CLOCK + 2, {0: 3})])
    assert "committed over poison" in lines(ahead, Terms(late_commits=True))


def test_duplicates_that_claim_excuse_no_run_without_a_claim() -> None:
    stray = replace(BOOKS, claim_owners={"owner-1", "owner-2", "owner-3"})
    assert lines(stray, Terms(duplicates_claim=True)) == ""
    assert "has claimed nothing" in lines(replace(BOOKS, claim_owners={"owner-1"}), Terms(duplicates_claim=True))


def test_many_lines_of_one_kind_are_cut_short() -> None:
    books = replace(BOOKS, premature=[f"run-1/{number}" for number in range(25)])
    assert lines(books).endswith("… and 15 more of outcomes")


@given(st.integers(), st.integers(50, 300))
def test_traffic_is_the_same_for_the_same_seed_and_has_every_kind(seed: int, records: int) -> None:
    mix = Mix(records)
    planned = plan(random.Random(seed), mix)
    assert planned == plan(random.Random(seed), mix)
    assert len(planned) == records
    keys = [fate for record in planned for fate in record.fates.values() if isinstance(fate, Fires)]
    assert all((record.poison is None) or not record.fates for record in planned)
    assert len(set(keys)) < len(keys) or records < 100, "some repeat an earlier key"
    assert {name for record in planned for name in record.fates} <= {EACH_ORDER, EACH_VISITOR, STUMBLES}
