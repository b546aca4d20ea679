"""The example definitions load, do what the generator of the demo's events expects, and name handlers that exist."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.shop.traffic import MIN_RECORDS, Sent, traffic
from taskfactory.definitions import (
    DefinitionSet,
    EvaluationFailed,
    Matched,
    load_definitions,
    render_tasks,
    workflow_id,
)
from taskfactory.envelope import InvalidEnvelope, decode
from taskfactory.tasks.discovery import load_handlers
from tests.examples.conftest import DEFINITIONS, registered

SAMPLE_EVENTS = DEFINITIONS.parent / "sample-events.jsonl"


@pytest.mark.parametrize("file", sorted(DEFINITIONS.iterdir()), ids=lambda file: file.name)
def test_every_definition_file_loads_and_holds_the_definition_it_is_named_after(file: Path) -> None:
    assert [definition.name for definition in load_definitions(file.read_text(), file.name)] == [file.stem]


@pytest.mark.parametrize("file", sorted(DEFINITIONS.iterdir()), ids=lambda file: file.name)
def test_every_definition_file_points_editors_at_the_schema(file: Path) -> None:
    hint = file.read_text().splitlines()[0]

    assert hint.startswith("# yaml-language-server: $schema=")
    assert (file.parent / hint.partition("=")[2]).is_file()


def test_every_task_names_a_handler_or_workflow_that_one_worker_serves(definitions: DefinitionSet) -> None:
    served = load_handlers(["examples.shop.handlers"])
    handlers = {handler.name for handler in served.handlers}
    workflows = {item.name for item in served.served if item.kind == "workflow"}

    for known in definitions.definitions:
        for template in known.definition.tasks:
            assert template.queue == "warehouse"
            if template.type == "activity":
                assert template.handler in handlers
            else:
                assert template.workflow in workflows


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(MIN_RECORDS, 120))
def test_the_products_pure_parts_agree_with_the_generator_on_every_record(seed: int, count: int) -> None:
    definitions = DefinitionSet(registered(DEFINITIONS.glob("*.yaml")))
    for sent in traffic(count, seed, "token").stream:
        assert found(definitions, sent) == expected(sent)


def found(definitions: DefinitionSet, sent: Sent) -> object:
    """What the product makes of a record: dead letters, or runs with their keys and tasks."""
    try:
        envelope = decode(*sent.record)
    except InvalidEnvelope as error:
        return (error.code.value, None)
    event, runs = envelope.to_json_dict(), set()
    for verdict in definitions.evaluate(event, "events"):
        if isinstance(verdict, EvaluationFailed):
            return (verdict.code, verdict.registered.definition.name)
        if isinstance(verdict, Matched):
            run_id = workflow_id(verdict.registered.id, verdict.key)
            tasks = render_tasks(verdict.registered.definition, event, run_id=run_id)
            paths = frozenset(task.task_id.removeprefix(f"{run_id}/") for task in tasks if not task.skipped)
            runs.add((verdict.registered.definition.name, verdict.key.strategy, verdict.key.parts, paths))
    return runs


def expected(sent: Sent) -> object:
    letter = sent.consequence.dead_letter
    if letter is not None:
        return (letter.reason, letter.definition)
    return {
        (run.definition, run.strategy, run.parts, frozenset(task.path for task in run.tasks))
        for run in sent.consequence.runs
    }


def test_the_sample_events_of_the_tour_reach_every_definition(definitions: DefinitionSet) -> None:
    lines = SAMPLE_EVENTS.read_bytes().splitlines()
    events = [decode(line, [("content-type", b"application/cloudevents+json")]).to_json_dict() for line in lines]

    matched = Counter(
        verdict.registered.definition.name
        for event in events
        for verdict in definitions.evaluate(event, "events")
        if isinstance(verdict, Matched)
    )

    assert matched == {"order-fulfilment": 2, "payment-receipt": 1, "order-cancellation": 2, "low-stock": 1}
