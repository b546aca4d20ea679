"""What comes of a redriven letter and of replayed history, with stand-ins for Temporal, Kafka and PostgreSQL."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from taskfactory.definitions import (
    DedupeKey,
    DefinitionSet,
    RegisteredDefinition,
    parse_definition,
    parse_mapping,
)
from taskfactory.intake import (
    DeadLetter,
    DecisionLimits,
    Disposer,
    EventReader,
    InForce,
    Pace,
    Record,
    Redriven,
    Redriver,
    Refused,
    RehearsedLetters,
    RehearsedResolutions,
    RehearsedStarts,
    Replay,
    StoredLetter,
    Unavailable,
    in_parallel,
)
from taskfactory.intake.dead_letters import stored_letter
from taskfactory.registry import Resolution
from tests.ingress.fakes import FakeDeadLetters, FakeStarter, record, unavailable

LIMITS = DecisionLimits(max_hops=10)
READER = EventReader(1000, None)
STRUCTURED = [("content-type", b"application/cloudevents+json")]


class FakeResolutions:
    """The registry's table in memory: of two for the same attempt of a letter the first one stands."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], Resolution] = {}

    def put(self, resolutions: Sequence[Resolution]) -> None:
        for item in resolutions:
            self.rows.setdefault((item.letter_key, item.attempts), item)

    def newest(self, letter_keys: Sequence[str]) -> dict[str, Resolution]:
        found = sorted(key for key in self.rows if key[0] in letter_keys)
        return {letter_key: self.rows[letter_key, attempts] for letter_key, attempts in found}


class Bench:
    """Everything that a redrive or a replay touches."""

    def __init__(self, *definitions: RegisteredDefinition) -> None:
        self.starter = FakeStarter()
        self.written = FakeDeadLetters()
        self.resolutions = FakeResolutions()
        self.in_force = InForce(1, DefinitionSet(definitions))

    @property
    def disposer(self) -> Disposer:
        return Disposer(READER, self.starter, self.written, LIMITS, Pace(math.inf))

    async def redrive(self, letter: DeadLetter, only: str | None = None) -> Redriven:
        redriver = Redriver(self.in_force, self.disposer, self.resolutions, "ada")
        return await redriver.redrive(stored(letter), letter.record, only)

    async def replay(self, definition: RegisteredDefinition, *records: Record) -> Replay:
        work = Replay(definition, self.in_force, self.resolutions)
        await work.run(iter([list(records)]), self.disposer)
        return work

    @property
    def started(self) -> set[str]:
        return {run.activity_name for run in self.starter.runs.values()}


def definition(name: str, when: str = "true", **known: Any) -> RegisteredDefinition:
    parsed = parse_definition(
        {
            "apiVersion": "taskfactory/v1",
            "kind": "ActivityDefinition",
            "name": name,
            "trigger": {"type": "event", "match": {"type": ["order"]}, "when": when},
            "tasks": [{"name": "only", "type": "activity", "handler": "handle", "queue": "work"}],
        }
    )
    return replace(RegisteredDefinition(f"id-of-{name}", 1, parsed), **known)


def event(offset: int = 7, **attributes: Any) -> Record:
    given = {"specversion": "1.0", "id": f"e-{offset}", "source": "/shop", "type": "order", "data": {"total": 5}}
    return record(offset, json.dumps(given | attributes).encode(), headers=STRUCTURED)


def stored(letter: DeadLetter) -> StoredLetter:
    found = stored_letter(Record("dlq", 0, 3, 1, None, None, letter.headers()))
    assert found is not None
    return found


ORDERS = definition("orders")
FAILING = definition("orders", when="event.data.missing > 1")


async def test_a_letter_of_one_definition_starts_that_definition_only_at_its_origin() -> None:
    bench = Bench(ORDERS, definition("others"))
    done = await bench.redrive(DeadLetter(event(), "when_error", "no such key", ORDERS))
    [run] = bench.starter.runs.values()
    assert (run.activity_name, run.trigger.topic, run.trigger.partition, run.trigger.offset) == (
        "orders",
        "events",
        0,
        7,
    )
    assert (done.outcome, done.resolved, done.message) == ("started", True, f"started {run.run_id}")
    [resolution] = bench.resolutions.rows.values()
    assert (resolution.letter_key, resolution.attempts, resolution.resolution, resolution.by) == (
        "events/0/7/id-of-orders@1700000000000",
        1,
        "redriven",
        "ada",
    )


async def test_a_run_that_exists_is_found_and_the_letter_resolved() -> None:
    bench, letter = Bench(ORDERS), DeadLetter(event(), "when_error", "m", ORDERS)
    await bench.redrive(letter)
    again = await bench.redrive(letter)
    assert (again.outcome, again.resolved) == ("already_started", True)
    assert len(bench.starter.runs) == 1


async def test_what_fails_again_stays_with_its_new_reason_and_one_attempt_more() -> None:
    bench = Bench(FAILING)
    done = await bench.redrive(DeadLetter(event(), "dedupe_error", "m", FAILING, earlier=1))
    [again] = bench.written.letters
    assert (again.id, again.reason, again.attempts) == ("events/0/7/id-of-orders", "when_error", 3)
    assert (done.outcome, done.resolved) == ("failed", False)
    assert not bench.resolutions.rows
    assert not bench.starter.runs


async def test_a_resolution_covers_all_attempts_of_its_letter() -> None:
    bench = Bench(ORDERS)
    await bench.redrive(DeadLetter(event(), "when_error", "m", ORDERS, earlier=2))
    assert list(bench.resolutions.rows) == [("events/0/7/id-of-orders@1700000000000", 3)]


@pytest.mark.parametrize(("resolved", "attempts"), [(5, 6), (2, 5)])
async def test_a_new_letter_is_on_the_list_whatever_was_resolved_under_its_id_before(
    resolved: int, attempts: int
) -> None:
    bench = Bench(FAILING)
    bench.resolutions.put([Resolution("events/0/7/id-of-orders@1700000000000", resolved, "discarded", "a test", "ada")])
    await bench.redrive(DeadLetter(event(), "unknown_schema", "m", earlier=3))
    [own] = bench.written.letters
    assert (own.id, own.attempts) == ("events/0/7/id-of-orders", attempts)


async def test_a_redrive_and_a_replay_read_by_the_topics_mapping_and_heed_released_keys() -> None:
    mapping = parse_mapping(
        {
            "apiVersion": "taskfactory/v1",
            "kind": "TopicMapping",
            "topic": "events",
            "id": "string(value.id)",
            "source": "'/rows'",
            "type": "'order'",
        }
    )
    key, row = DedupeKey("event_id", ("/rows", "17")), record(7, b'{"id": 17}')
    bench = Bench(ORDERS)
    bench.in_force = InForce(1, DefinitionSet([ORDERS]), {(ORDERS.id, key.digest): 2}, {"events": mapping})
    done = await bench.redrive(DeadLetter(row, "mapping_error", "m"))
    assert done.outcome == "started"
    assert (await bench.replay(ORDERS, row)).tally == {"already_started": 1}
    [run] = bench.starter.runs.values()
    assert (run.generation, run.trigger.source, run.trigger.id) == (2, "/rows", "17")


async def test_what_temporal_refuses_stays_too() -> None:
    bench = Bench(ORDERS)
    bench.starter.fail_with(Refused("run_input_too_large", "too large"))
    done = await bench.redrive(DeadLetter(event(), "when_error", "m", ORDERS))
    [again] = bench.written.letters
    assert (again.id, again.reason, again.attempts) == ("events/0/7/id-of-orders", "run_input_too_large", 2)
    assert not done.resolved


async def test_an_event_that_no_longer_matches_is_resolved_and_told() -> None:
    bench = Bench(definition("orders", when="false"))
    done = await bench.redrive(DeadLetter(event(), "when_error", "m", ORDERS))
    assert (done.outcome, done.resolved, done.message) == ("filtered", True, "orders does not match it")


async def test_a_letter_of_a_definition_that_is_not_in_force_is_refused() -> None:
    done = await Bench().redrive(DeadLetter(event(), "when_error", "m", ORDERS))
    assert (done.outcome, done.resolved) == ("refused", False)
    assert "orders is not enabled" in done.message


async def test_a_letter_of_a_paused_definition_is_refused_and_nothing_starts() -> None:
    bench = Bench(replace(ORDERS, paused=True))
    done = await bench.redrive(DeadLetter(event(), "when_error", "m", ORDERS))
    assert (done.outcome, done.resolved) == ("refused", False)
    assert "taskfactory resume orders" in done.message
    assert not bench.starter.runs


async def test_that_a_record_is_older_than_the_activation_does_not_matter() -> None:
    bench = Bench(replace(ORDERS, active_since=datetime(2100, 1, 1, tzinfo=UTC)))
    assert (await bench.redrive(DeadLetter(event(), "when_error", "m", ORDERS))).outcome == "started"


async def test_a_letter_of_the_record_itself_starts_every_definition_that_matches() -> None:
    bench = Bench(ORDERS, definition("others"), definition("never", when="false"))
    done = await bench.redrive(DeadLetter(event(), "unknown_schema", "m"))
    assert bench.started == {"orders", "others"}
    assert (done.outcome, done.resolved) == ("started", True)


async def test_a_definition_that_fails_on_it_gets_a_letter_of_its_own_and_the_others_start() -> None:
    bench = Bench(definition("others"), FAILING)
    done = await bench.redrive(DeadLetter(event(), "unknown_schema", "m"))
    [own] = bench.written.letters
    assert (own.id, own.attempts, bench.started) == ("events/0/7/id-of-orders", 2, {"others"})
    assert (done.outcome, done.resolved) == ("failed", True)


async def test_a_record_that_is_still_undecodable_stays() -> None:
    bench = Bench(ORDERS)
    done = await bench.redrive(DeadLetter(record(7, b"garbage", headers=STRUCTURED), "malformed_json", "m"))
    [again] = bench.written.letters
    assert (again.id, again.attempts, done.resolved) == ("events/0/7", 2, False)


async def test_a_letter_that_one_of_several_definitions_is_paused_for_stays_until_it_is_resumed() -> None:
    bench, letter = (
        Bench(ORDERS, replace(definition("others"), paused=True)),
        DeadLetter(event(), "unknown_schema", "m"),
    )
    done = await bench.redrive(letter)
    assert (bench.started, done.resolved) == ({"orders"}, False)
    assert "others is paused" in done.message
    bench.in_force = InForce(2, DefinitionSet([ORDERS, definition("others")]))
    assert (await bench.redrive(letter)).resolved
    assert bench.started == {"orders", "others"}


async def test_a_letter_of_the_record_itself_can_be_redriven_for_one_definition_and_stays_for_the_others() -> None:
    bench = Bench(ORDERS, definition("others"))
    done = await bench.redrive(DeadLetter(event(), "unknown_schema", "m"), only="id-of-orders")
    assert (bench.started, done.outcome, done.resolved) == ({"orders"}, "started", False)
    assert "stays on the list for the other definitions" in done.message


async def test_a_definitions_letter_whose_record_became_undecodable_keeps_its_id() -> None:
    bench = Bench(ORDERS)
    large = record(7, b"x" * 1001, headers=STRUCTURED)
    await bench.redrive(DeadLetter(large, "when_error", "m", ORDERS))
    [again] = bench.written.letters
    assert (again.id, again.reason, again.attempts) == ("events/0/7/id-of-orders", "too_large", 2)


async def test_a_temporal_that_stays_away_ends_the_work_and_leaves_the_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskfactory.intake.disposer.PATIENCE_SECONDS", 0.0)
    bench, letter = Bench(ORDERS), DeadLetter(event(), "when_error", "m", ORDERS)
    bench.starter.fail_with(unavailable())
    with pytest.raises(Unavailable):
        await bench.redrive(letter)
    assert not bench.resolutions.rows
    assert (await bench.redrive(letter)).outcome == "started"


async def test_a_short_absence_is_waited_out_under_one_request_id() -> None:
    bench = Bench(ORDERS)
    bench.starter.fail_with(unavailable(), unavailable())
    assert (await bench.redrive(DeadLetter(event(), "when_error", "m", ORDERS))).outcome == "started"
    assert len(bench.starter.attempts) == 3
    assert len(set(bench.starter.attempts)) == 1


async def test_whatever_a_failure_says_can_be_recorded() -> None:
    bench = Bench(ORDERS)
    bench.starter.fail_with(Refused("refused_by_temporal", "nul \0 and a lone surrogate \ud800"))
    await bench.redrive(DeadLetter(event(), "unknown_schema", "m"))
    [resolution] = bench.resolutions.rows.values()
    assert resolution.reason == "orders: refused_by_temporal: nul \\0 and a lone surrogate \\ud800"


async def test_a_rehearsal_says_what_would_come_and_does_nothing() -> None:
    bench, letter = Bench(ORDERS), DeadLetter(event(), "when_error", "m", ORDERS)
    disposer = Disposer(READER, RehearsedStarts(), RehearsedLetters(), LIMITS, Pace(math.inf))
    done = await Redriver(bench.in_force, disposer, RehearsedResolutions(), "ada").redrive(
        stored(letter), letter.record
    )
    assert done.outcome == "started"
    assert not bench.starter.runs


async def test_a_replay_asks_one_definition_and_counts_what_came_of_every_record() -> None:
    bench = Bench(ORDERS, definition("others"))
    first = await bench.replay(ORDERS, event(1))
    second = await bench.replay(
        ORDERS, event(1), event(2), event(3, type="refund"), record(4, b"x", headers=STRUCTURED)
    )
    assert first.tally == {"started": 1}
    assert second.tally == {"already_started": 1, "started": 1, "filtered": 1, "dead_lettered": 1}
    assert bench.started == {"orders"}


async def test_a_replay_asks_a_paused_definition_about_records_of_any_age() -> None:
    paused = replace(ORDERS, paused=True, active_since=datetime(2100, 1, 1, tzinfo=UTC))
    assert (await Bench(paused).replay(paused, event(1))).tally == {"started": 1}


async def test_what_a_replay_fails_on_is_the_definitions_letter_and_on_the_list_even_if_one_was_resolved() -> None:
    bench = Bench(FAILING)
    bench.resolutions.put([Resolution("events/0/1/id-of-orders@1700000000000", 2, "discarded", "a test", "ada")])
    await bench.replay(FAILING, event(1), record(2, b"garbage", headers=STRUCTURED))
    assert {(letter.id, letter.reason, letter.attempts) for letter in bench.written.letters} == {
        ("events/0/1/id-of-orders", "when_error", 3),
        ("events/0/2/id-of-orders", "malformed_json", 1),
    }


async def test_an_event_that_came_too_far_is_not_started_by_a_replay_either() -> None:
    bench = Bench(ORDERS)
    assert (await bench.replay(ORDERS, event(1, hops=11))).tally == {"dead_lettered": 1}
    assert bench.written.letters[0].reason == "too_many_hops"


async def test_parallel_work_raises_the_first_failure_as_it_is() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        if number == 20:
            raise ValueError(number)
        done.append(number)

    with pytest.raises(ValueError, match="20"):
        await in_parallel(range(100), work)
    assert done[:20] == list(range(20))
