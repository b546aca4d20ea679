import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskfactory.definitions import DedupeKey, DefinitionSet, RegisteredDefinition, parse_definition, parse_mapping
from taskfactory.intake import (
    BeforeActivation,
    DeadLetter,
    Decision,
    DecisionLimits,
    InForce,
    NoEvent,
    Paused,
    ReadEvent,
    Record,
    StartRun,
    decide,
    read_event,
)
from tests.ingress.fakes import record

LIMIT = 1000
LIMITS = DecisionLimits(max_hops=10)
STRUCTURED = [("content-type", b"application/cloudevents+json")]


def decide_record(record: Record, in_force: InForce) -> list[Decision]:
    """Read and decide, as ingress does."""
    match read_event(record, in_force, LIMIT):
        case ReadEvent() as read:
            return decide(read, in_force, LIMITS)
        case NoEvent():
            return []
        case letter:
            return [letter]


def definition(
    name: str, match: dict[str, Any], dedupe: dict[str, Any] | None = None, **trigger: Any
) -> RegisteredDefinition:
    parsed = parse_definition(
        {
            **({} if dedupe is None else {"dedupe": dedupe}),
            "apiVersion": "taskfactory/v1",
            "kind": "ActivityDefinition",
            "name": name,
            "trigger": {"type": "event", "match": match, **trigger},
            "tasks": [{"name": "only", "type": "activity", "handler": "handle", "queue": "work"}],
        }
    )
    return RegisteredDefinition(f"id-of-{name}", 2, parsed)


def event(**attributes: Any) -> bytes:
    given = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order", "data": {"total": 5}}
    return json.dumps(given | attributes).encode()


def decided(value: bytes | None, *definitions: RegisteredDefinition, key: bytes | None = b"key") -> list[Decision]:
    return decide_record(record(4, value, headers=STRUCTURED, key=key), InForce(1, DefinitionSet(definitions)))


def test_every_definition_that_matches_starts_a_run_of_its_own() -> None:
    orders = definition("orders", {"type": ["order"]})
    large = definition("large", {"data": {"total": [{"numeric": [">", 3]}]}})
    other = definition("refunds", {"type": ["refund"]})
    decisions = decided(event(), orders, large, other)
    assert {d.run.activity_name for d in decisions if isinstance(d, StartRun)} == {"orders", "large"}
    assert len({d.run.run_id for d in decisions if isinstance(d, StartRun)}) == 2


def test_a_run_is_identified_by_its_definition_and_event_and_carries_both() -> None:
    [decision] = decided(event(subject="o-17", time="2026-01-02T03:04:05Z"), definition("orders", {"type": ["order"]}))
    assert isinstance(decision, StartRun)
    run = decision.run
    assert run.run_id.startswith("activity-id-of-orders-")
    assert (run.activity_id, run.activity_name, run.version) == ("id-of-orders", "orders", 2)
    assert (run.dedupe_strategy, run.dedupe_parts) == ("event_id", ["/shop", "e-1"])
    assert run.trigger.model_dump() == {
        "source": "/shop",
        "id": "e-1",
        "type": "order",
        "subject": "o-17",
        "time": "2026-01-02T03:04:05Z",
        "topic": "events",
        "partition": 0,
        "offset": 4,
    }
    assert run.event["data"] == {"total": 5}
    assert base64.b64decode(run.key or "") == b"key"


def test_a_record_without_key_starts_a_run_without_key() -> None:
    [decision] = decided(event(), definition("orders", {"type": ["order"]}), key=None)
    assert isinstance(decision, StartRun)
    assert decision.run.key is None


def test_the_same_event_at_another_offset_is_the_same_run() -> None:
    orders = InForce(1, DefinitionSet([definition("orders", {"type": ["order"]})]))
    [first] = decide_record(record(1, event()), orders)
    [second] = decide_record(record(2, event()), orders)
    assert isinstance(first, StartRun)
    assert isinstance(second, StartRun)
    assert first.run.run_id == second.run.run_id


def test_a_definition_that_reads_other_topics_is_not_asked() -> None:
    elsewhere = definition("elsewhere", {"type": ["order"]}, topics=["refunds"])
    here = definition("here", {"type": ["order"]}, topics=["refunds", "events"])
    [start] = decided(event(), elsewhere, here)
    assert isinstance(start, StartRun)
    assert start.definition == here


def test_with_a_window_every_event_of_a_key_asks_under_a_run_id_of_its_own() -> None:
    windowed = definition("windowed", {"type": ["order"]}, dedupe={"key": "subject", "window": "1h"})
    times = ["2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z", "2026-01-01T00:00:00Z"]
    [first], [second], [again] = (decided(event(subject="o-7", time=time), windowed) for time in times)
    assert isinstance(first, StartRun)
    assert isinstance(second, StartRun)
    assert again == first
    assert first.run.run_id != second.run.run_id
    assert (first.run.dedupe_strategy, first.run.dedupe_parts, first.run.window) == ("subject", ["o-7"], 3600)
    assert (second.run.dedupe_parts, second.run.window) == (["o-7"], 3600)


def test_an_event_that_nothing_matches_leads_to_nothing() -> None:
    assert decided(event(type="refund"), definition("orders", {"type": ["order"]})) == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"x" * (LIMIT + 1), "too_large"),
        (b"not json", "malformed_json"),
        (event(id=None), "missing_attribute"),
    ],
)
def test_a_broken_record_is_one_dead_letter_whatever_is_defined(value: bytes | None, reason: str) -> None:
    [letter] = decided(value, definition("a", {"type": ["order"]}), definition("b", {"type": ["order"]}))
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.definition) == (reason, None)
    assert letter.record.value == value


ROWS = parse_mapping(
    {
        "apiVersion": "taskfactory/v1",
        "kind": "TopicMapping",
        "topic": "events",
        "skip": "value == null",
        "id": "string(value.id)",
        "source": "'/shop/' + topic",
        "type": "'order'",
    }
)


def test_a_record_of_a_mapped_topic_is_decided_as_the_event_that_its_mapping_makes() -> None:
    orders = definition("orders", {"source": ["/shop/events"], "data": {"total": [5]}})
    mapped = InForce(1, DefinitionSet([orders]), mappings={"events": ROWS})
    [start] = decide_record(record(4, b'{"id": 17, "total": 5}'), mapped)
    assert isinstance(start, StartRun)
    assert (start.run.trigger.id, start.run.trigger.offset) == ("17", 4)
    assert decide_record(record(5, None), mapped) == []


def test_a_record_of_which_its_mapping_makes_no_event_is_a_dead_letter_that_says_why() -> None:
    mapped = InForce(1, DefinitionSet([]), mappings={"events": ROWS})
    [letter] = decide_record(record(4, b'{"total": 5}'), mapped)
    assert isinstance(letter, DeadLetter)
    assert letter.reason == "mapping_error"
    assert "id:" in letter.message


def test_a_tombstone_is_a_dead_letter() -> None:
    [letter] = decided(None)
    assert isinstance(letter, DeadLetter)


def test_an_evaluation_error_is_a_dead_letter_of_that_definition_alone() -> None:
    broken = definition("broken", {"type": ["order"]}, when="event.data.missing > 1")
    sound = definition("sound", {"type": ["order"]}, when="event.data.total > 1")
    decisions = decided(event(), broken, sound)
    [letter] = [d for d in decisions if isinstance(d, DeadLetter)]
    [start] = [d for d in decisions if isinstance(d, StartRun)]
    assert letter.definition == broken
    assert start.definition == sound


ACTIVE_SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timestamp", "kind"),
    [
        (ACTIVE_SINCE - timedelta(milliseconds=1), BeforeActivation),
        (ACTIVE_SINCE, StartRun),
        (None, StartRun),
    ],
)
def test_a_definition_applies_to_records_after_its_activation(timestamp: datetime | None, kind: type) -> None:
    orders = replace(definition("orders", {"type": ["order"]}), active_since=ACTIVE_SINCE)
    milliseconds = None if timestamp is None else round(timestamp.timestamp() * 1000)
    [decision] = decide_record(record(0, event(), timestamp=milliseconds), InForce(1, DefinitionSet([orders])))
    assert isinstance(decision, kind)


def test_a_paused_definition_says_what_it_would_have_started() -> None:
    orders = definition("orders", {"type": ["order"]})
    [paused] = decided(event(), replace(orders, paused=True))
    [start] = decided(event(), orders)
    assert isinstance(paused, Paused)
    assert isinstance(start, StartRun)
    assert paused.run == start.run


def test_an_event_that_has_come_too_far_is_a_dead_letter_that_names_the_chain() -> None:
    orders = definition("orders", {"type": ["order"]})
    [letter] = decided(event(hops=11, chain="orders refunds"), orders)
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.definition) == ("too_many_hops", orders)
    assert "orders → refunds → orders" in letter.message
    assert "TASKFACTORY_MAX_HOPS" in letter.message
    [start] = decided(event(hops=10), orders)
    assert isinstance(start, StartRun)


def test_an_event_that_has_come_too_far_and_that_nothing_matches_is_no_dead_letter() -> None:
    assert decided(event(hops=11), definition("refunds", {"type": ["refund"]})) == []


def test_an_event_that_has_come_too_far_but_from_before_the_activation_is_no_dead_letter() -> None:
    later = replace(definition("orders", {"type": ["order"]}), active_since=datetime(2100, 1, 1, tzinfo=UTC))
    assert decided(event(hops=11), later) == [BeforeActivation(later)]


def test_a_key_that_was_released_fires_in_its_new_generation() -> None:
    orders = definition("orders", {"type": ["order"]})
    [first] = decided(event(), orders)
    assert isinstance(first, StartRun)
    key = DedupeKey(first.run.dedupe_strategy, tuple(first.run.dedupe_parts))
    released = InForce(2, DefinitionSet([orders]), {(orders.id, key.digest): 2})
    [again] = decide_record(record(4, event()), released)
    assert isinstance(again, StartRun)
    assert (again.run.generation, again.run.run_id) == (2, f"{first.run.run_id}-g2")
