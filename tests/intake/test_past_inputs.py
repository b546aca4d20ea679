"""What a past run was started with, made again from its record: the same input, or a reason why there is none."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from taskfactory.definitions import DefinitionSet, RegisteredDefinition, RunInput, run_id_in_generation
from taskfactory.intake import InForce, ReadEvent, StartRun, decide, read_event
from taskfactory.intake.past_inputs import NO_LIMITS, InputGone, input_in_event
from taskfactory.registry import PastRun
from tests.ingress.fakes import record
from tests.intake.test_decisions import STRUCTURED, definition, event

AT = datetime(2026, 1, 1, tzinfo=UTC)
ORDERS = definition("orders", {"type": ["order"]})
WINDOWED = RegisteredDefinition(
    ORDERS.id,
    2,
    ORDERS.definition.model_copy(
        update={"dedupe": ORDERS.definition.dedupe.model_copy(update={"key": "subject", "window": "7d"})}
    ),
)


def read(value: bytes) -> ReadEvent:
    reading = read_event(record(4, value, headers=STRUCTURED), InForce.nothing(), max_event_bytes=10_000)
    assert isinstance(reading, ReadEvent)
    return reading


def started(source: ReadEvent, version: RegisteredDefinition) -> RunInput:
    (decision,) = decide(source, InForce(1, DefinitionSet([version])), NO_LIMITS)
    assert isinstance(decision, StartRun)
    return decision.run


def past(run: RunInput, **changes: Any) -> PastRun:
    known = PastRun(
        run_id=run.run_id,
        activity_id=run.activity_id,
        activity_name=run.activity_name,
        version=run.version,
        generation=run.generation,
        state="failed",
        trigger=run.trigger,
        started_at=AT,
        ended_at=AT,
    )
    return replace(known, **changes)


@pytest.mark.parametrize("version", [ORDERS, WINDOWED], ids=["forever", "windowed"])
def test_the_record_gives_the_very_input_that_the_run_was_started_with(version: RegisteredDefinition) -> None:
    source = read(event(subject="o-1", time="2026-01-02T03:04:05Z", data={"total": 5}))
    run = started(source, version)
    assert input_in_event(source, past(run), version) == run


def test_the_input_of_a_later_generation_says_its_generation() -> None:
    source = read(event())
    run = started(source, ORDERS)
    run_id = run_id_in_generation(run.run_id, 1, 3)
    again = input_in_event(source, past(run, run_id=run_id, generation=3), ORDERS)
    assert again == run.model_copy(update={"run_id": run_id, "generation": 3})


def test_a_record_of_another_event_is_not_taken_even_where_both_have_one_key() -> None:
    timed = {"time": "2026-01-02T03:04:05Z", "subject": "o-1"}
    by_subject = replace(
        WINDOWED,
        definition=WINDOWED.definition.model_copy(
            update={"dedupe": WINDOWED.definition.dedupe.model_copy(update={"window": "forever"})}
        ),
    )
    run = started(read(event(id="e-1", **timed)), by_subject)
    other = read(event(id="e-2", **timed))
    assert started(other, by_subject).run_id == run.run_id
    with pytest.raises(InputGone, match="the record at events/0/4 is another event's now"):
        input_in_event(other, past(run), by_subject)


def test_limits_that_were_set_since_do_not_count() -> None:
    source = read(event(hops=200, data={"note": "x" * 5000}))
    run = started(source, ORDERS)
    assert input_in_event(source, past(run), ORDERS) == run
