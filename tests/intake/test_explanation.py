import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from taskfactory.definitions import DefinitionSet, RegisteredDefinition, Standing, event_moment, parse_definition
from taskfactory.intake import DecisionLimits, InForce, ReadEvent, read_event
from taskfactory.intake.executions import Execution
from taskfactory.intake.explanation import Answer, Answered, Facts, explain_event, explain_shadows
from taskfactory.registry import RunFact, claim_keys
from tests.ingress.fakes import record

ID = "4c2f5a3e-0000-4000-8000-000000000001"
HEADERS = [("content-type", b"application/cloudevents+json")]
LIMITS = DecisionLimits(max_hops=2)


def registered(name: str = "orders", **fields: Any) -> RegisteredDefinition:
    trigger = {"type": "event", "match": {"type": ["order"]}, **fields.pop("trigger", {})}
    state = {key: fields.pop(key) for key in ("paused", "active_since") if key in fields}
    found = parse_definition(
        {
            "apiVersion": "taskfactory/v1",
            "kind": "ActivityDefinition",
            "name": name,
            "trigger": trigger,
            "tasks": [{"name": "only", "type": "activity", "handler": "handle", "queue": "work"}],
            **fields,
        }
    )
    return RegisteredDefinition(ID, 2, found, **state)


def read(offset: int = 7, **attributes: Any) -> ReadEvent:
    given = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order", "data": {"total": 5}}
    found = read_event(
        record(offset, json.dumps(given | attributes).encode(), headers=HEADERS), InForce.nothing(), 10_000
    )
    assert isinstance(found, ReadEvent)
    return found


def explained(item: RegisteredDefinition, **attributes: Any) -> Answered:
    in_force = InForce(1, DefinitionSet([item]))
    [answer] = explain_event(read(**attributes), [item], in_force, LIMITS, "events")
    return answer


def row(answer: Answered, offset: int, event_id: str = "e-1") -> RunFact:
    assert answer.run is not None
    keys = claim_keys(answer.run)
    return RunFact(
        run_id=answer.run.run_id,
        activity_id=ID,
        activity_name="orders",
        version=2,
        generation=1,
        state="completed",
        event_digest=keys.identity.digest,
        event_source="/shop",
        event_id=event_id,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        topic="events",
        partition=0,
        offset=offset,
    )


def test_a_record_whose_key_was_released_starts_nothing_by_itself() -> None:
    item = registered()
    first = explained(item)
    assert first.run is not None
    fires = {(ID, claim_keys(first.run).strategy.digest): 2}
    [answer] = explain_event(read(), [item], InForce(1, DefinitionSet([item]), fires), LIMITS, "events")
    told = answer.settle(Facts(), placed=True)
    assert told.answer is Answer.WOULD_START
    assert (
        told.sentence == f"its key was released: if the record is read again, it would start run {first.run.run_id}-g2"
    )
    assert "read again" not in answer.settle(Facts(), placed=False).sentence


def test_an_event_that_nothing_is_known_of_would_start_a_run() -> None:
    answer = explained(registered()).settle(Facts(), placed=True)
    assert answer.answer is Answer.WOULD_START
    assert answer.run is not None
    assert answer.run.run_id in answer.sentence


def test_a_record_that_a_run_names_has_started_it_and_another_one_is_its_duplicate() -> None:
    answer = explained(registered())
    assert answer.run is not None
    for offset, expected in ((7, Answer.STARTED), (3, Answer.DUPLICATE)):
        facts = Facts(runs={answer.run.run_id: row(answer, offset)})
        assert answer.settle(facts, placed=True).answer is expected


def test_an_event_from_a_file_is_a_duplicate_even_of_a_run_that_has_its_coordinates() -> None:
    answer = explained(registered())
    assert answer.run is not None
    facts = Facts(runs={answer.run.run_id: row(answer, 7)})
    assert answer.settle(facts, placed=False).answer is Answer.DUPLICATE


def test_a_duplicate_names_the_run_and_the_event_that_has_its_key() -> None:
    answer = explained(registered(dedupe={"key": "subject"}), subject="s")
    assert answer.run is not None
    told = answer.settle(Facts(runs={answer.run.run_id: row(answer, 3, "e-0")}), placed=True)
    assert told.answer is Answer.DUPLICATE
    assert answer.run.run_id in told.sentence
    assert "event e-0 of /shop at events/0/3" in told.sentence


def test_an_event_that_ran_under_an_earlier_strategy_is_a_duplicate() -> None:
    answer = explained(registered(dedupe={"key": "subject"}), subject="s")
    assert answer.run is not None
    other = replace(row(answer, 3), run_id="activity-of-old")
    facts = Facts(runs_of_events={claim_keys(answer.run).identity: other})
    assert answer.settle(facts, placed=True).held_by == other


def test_a_claim_without_a_row_is_a_duplicate_too() -> None:
    answer = explained(registered())
    assert answer.run is not None
    assert answer.settle(Facts(claimed=claim_keys(answer.run).all), placed=True).answer is Answer.DUPLICATE


def test_a_run_that_only_temporal_knows_is_in_flight() -> None:
    answer = explained(registered())
    assert answer.run is not None
    facts = Facts(executions={answer.run.run_id: Execution.OPEN})
    assert answer.settle(facts, placed=True).answer is Answer.IN_FLIGHT


def test_an_event_within_a_window_is_a_duplicate_and_one_after_it_would_start() -> None:
    answer = explained(registered(dedupe={"key": "subject", "window": "1h"}), subject="s", time="2026-01-01T12:00:00Z")
    assert answer.run is not None
    moment, key = event_moment(answer.run.event), claim_keys(answer.run).strategy
    for ago, expected in ((10, Answer.DUPLICATE), (60, Answer.WOULD_START)):
        standing = Standing(1, (moment - timedelta(minutes=ago),))
        facts = Facts(standings={key: standing}, holders={answer.run.run_id: "activity-holder"})
        told = answer.settle(facts, placed=True)
        assert told.answer is expected
        assert ("activity-holder" in told.sentence) is (expected is Answer.DUPLICATE)


def test_paused_before_activation_and_too_many_hops_are_told_apart() -> None:
    assert explained(registered(paused=True)).answer is Answer.PAUSED
    later = explained(registered(active_since=datetime(2030, 1, 1, tzinfo=UTC)))
    assert (later.answer, "2030-01-01" in later.sentence) == (Answer.BEFORE_ACTIVATION, True)
    far = explained(registered(), hops=3)
    assert (far.answer, far.letter.reason if far.letter else None) == (Answer.DEAD_LETTERED, "too_many_hops")


def test_a_dead_letter_names_its_id_and_how_it_was_resolved() -> None:
    answer = explained(registered(trigger={"when": "event.data.missing"}))
    assert answer.letter is not None
    told = answer.settle(Facts(resolutions={answer.letter.key: "redriven"}), placed=True)
    assert f"letter events/0/7/{ID} was redriven" in told.sentence
    assert "letter" not in answer.settle(Facts(), placed=False).sentence


def test_what_takes_the_event_comes_before_near_misses_and_those_before_the_rest() -> None:
    matches: dict[str, dict[str, Any]] = {
        "other-type": {"type": ["refund"]},
        "two-off": {"type": ["order"], "data": {"total": [1], "x": [1]}},
        "one-off": {"type": ["order"], "data": {"total": [1]}},
        "takes": {"type": ["order"]},
    }
    items = [
        replace(registered(name, trigger={"match": match}), id=str(UUID(int=number)))
        for number, (name, match) in enumerate(matches.items())
    ]
    answers = explain_event(read(), items, InForce(1, DefinitionSet(items)), LIMITS, "events")
    ordered = [item.registered.definition.name for item in sorted(answers, key=lambda item: item.distance)]
    assert ordered == ["takes", "one-off", "two-off", "other-type"]
    one_off = answers[2].sentence
    assert one_off == "data.total: expected 1, found 5"


def test_a_shadow_version_answers_for_itself_and_starts_nothing() -> None:
    def told(item: RegisteredDefinition, **attributes: Any) -> Answered:
        [answer] = explain_shadows(read(**attributes), [item], "events")
        return answer

    taken = told(registered())
    assert (taken.answer, taken.run) == (Answer.SHADOW, None)
    assert taken.sentence == ("shadow version, starts nothing: it would take the event, with the dedupe key /shop e-1")
    assert "it would fail: when_error" in told(registered(trigger={"when": "event.data.missing > 1"})).sentence
    refused = told(registered(), type="refund")
    assert "type: expected" in refused.sentence
    assert refused.of_another_type


def test_a_definition_that_fires_by_schedule_says_so_and_comes_last() -> None:
    given = registered("nightly").definition.to_dict() | {"trigger": {"type": "cron", "cron": ["@daily"]}}
    del given["dedupe"]
    nightly = RegisteredDefinition(ID, 1, parse_definition(given))
    answer = explained(nightly)
    assert (answer.answer, answer.sentence) == (Answer.BY_SCHEDULE, "fires by schedule; no event starts it")
    assert answer.distance > explained(registered(trigger={"match": {"data": {"total": [6]}}})).distance
