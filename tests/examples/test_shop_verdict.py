"""The demo's verdict: good on a perfect run, and each kind of trouble is named for what it is."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.shop.evidence import Evidence, SeenDeadLetter, SeenOutcome
from examples.shop.expectation import Expectation
from examples.shop.journal import Entry
from examples.shop.traffic import MIN_RECORDS, traffic
from examples.shop.verdict import Verdict, judge
from taskfactory.definitions import DedupeKey, workflow_id


def perfect(expectation: Expectation) -> Evidence:
    """What a run that did everything right leaves behind."""
    places = [(0, 10 * offset) for offset in range(expectation.sent)]
    outcomes, tasks, runs, effects = [], {}, {}, []
    for run in expectation.runs:
        run_id = workflow_id(run.definition, DedupeKey(run.strategy, run.parts))
        runs[run_id] = run.status
        outcomes.append(SeenOutcome(f"{run_id}/{run.status}", run_id, None))
        for task in run.tasks:
            task_id = f"{run_id}/{task.path}"
            tasks[task_id] = task.status
            outcomes.append(SeenOutcome(f"{task_id}/{task.status}", task_id, task.attempts))
            effects += [
                Entry(effect.name, f"{task_id}/{effect.step}" if effect.step else task_id, attempt)
                for effect in task.effects
                for attempt in range(1, task.attempts + 1)
            ]
    return Evidence(
        places=places,
        identities=[record.identity for record in expectation.records],
        committed=expectation.sent,
        outcomes=outcomes,
        dead_letters=[
            SeenDeadLetter(places[index], letter.reason, letter.definition)
            for index, letter in expectation.dead_letters.items()
        ],
        activity_ids={run.definition: run.definition for run in expectation.runs},
        runs=runs,
        tasks=tasks,
        decisions={
            "started": len(runs),
            "already_started": expectation.duplicates,
            "filtered": expectation.filtered,
        },
        effects=effects,
    )


EXPECTED = traffic(MIN_RECORDS, seed=5, token="token").expectation
PERFECT = perfect(EXPECTED)


def found(verdict: Verdict, what: str) -> tuple[int, bool]:
    (row,) = [row for row in verdict.rows if row.what.strip() == what]
    return row.found, row.wrong


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(MIN_RECORDS, 300))
def test_a_perfect_run_is_good(seed: int, count: int) -> None:
    expectation = traffic(count, seed, "token").expectation

    verdict = judge(expectation, perfect(expectation))

    assert verdict.good
    assert not [row for row in verdict.rows if row.wrong]


def test_outcomes_and_effects_that_repeat_under_their_own_ids_are_counted_and_harmless() -> None:
    verdict = judge(
        EXPECTED,
        replace(
            PERFECT,
            outcomes=[*PERFECT.outcomes, *PERFECT.outcomes[:3]],
            effects=[*PERFECT.effects, PERFECT.effects[0]],
            dead_letters=[*PERFECT.dead_letters, PERFECT.dead_letters[0]],
        ),
    )

    assert verdict.good
    assert found(verdict, "received again, same id") == (3, False)
    assert found(verdict, "repeated, same key") == (EXPECTED.retried + 1, False)


@pytest.mark.parametrize(
    "evidence",
    [
        replace(PERFECT, outcomes=PERFECT.outcomes[1:]),
        replace(PERFECT, dead_letters=PERFECT.dead_letters[1:]),
        replace(PERFECT, committed=PERFECT.committed - 1),
        replace(PERFECT, identities=PERFECT.identities[1:]),
        replace(PERFECT, effects=[entry for entry in PERFECT.effects if entry.effect != PERFECT.effects[0].effect]),
    ],
    ids=["outcome", "dead letter", "commit", "record", "effect"],
)
def test_what_is_missing_is_lost(evidence: Evidence) -> None:
    verdict = judge(EXPECTED, evidence)

    assert not verdict.good
    assert len(verdict.lost) == 1
    assert found(verdict, "lost") == (1, True)


def test_a_task_with_two_ends_was_done_twice() -> None:
    end = PERFECT.outcomes[0]
    other = SeenOutcome(f"{end.ended}/cancelled", end.ended, None)

    verdict = judge(EXPECTED, replace(PERFECT, outcomes=[*PERFECT.outcomes, other]))

    assert not verdict.good
    assert len(verdict.twice) == 1
    assert end.ended in verdict.twice[0]


def test_an_effect_under_another_key_was_done_twice() -> None:
    effect = PERFECT.effects[0].effect

    verdict = judge(EXPECTED, replace(PERFECT, effects=[*PERFECT.effects, Entry(effect, "another-key", 1)]))

    assert not verdict.good
    assert len(verdict.twice) == 1
    assert effect in verdict.twice[0]


def change_reason(evidence: Evidence) -> Evidence:
    first, *rest = evidence.dead_letters
    return replace(evidence, dead_letters=[replace(first, reason="internal_error"), *rest])


def change_key(evidence: Evidence) -> Evidence:
    changed = evidence.effects[0].effect
    return replace(
        evidence,
        effects=[entry._replace(key="other") if entry.effect == changed else entry for entry in evidence.effects],
    )


@pytest.mark.parametrize(
    "change",
    [
        change_reason,
        change_key,
        lambda evidence: replace(
            evidence, outcomes=[*evidence.outcomes, SeenOutcome("stranger/completed", "stranger", 1)]
        ),
        lambda evidence: replace(evidence, effects=[*evidence.effects, Entry("stranger", "key", 1)]),
    ],
    ids=["reason of a dead letter", "key of an effect", "outcome", "effect"],
)
def test_what_nobody_expected_is_named(change: Callable[[Evidence], Evidence]) -> None:
    verdict = judge(EXPECTED, change(PERFECT))

    assert not verdict.good
    assert len(verdict.surprises) == 1


def test_a_number_that_differs_is_wrong_even_if_nothing_is_lost() -> None:
    verdict = judge(EXPECTED, replace(PERFECT, decisions={**PERFECT.decisions, "already_started": 0}))

    assert not verdict.good
    assert found(verdict, "duplicates refused") == (0, True)
