import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions import ActivityDefinition, RegisteredDefinition, parse_definition
from taskfactory.intake import DecisionLimits, InForce, read_event
from taskfactory.intake.backtest import Backtest, Draft, Peak, Report
from tests.ingress.fakes import record

HOUR = 3_600_000
NOON = 1_767_268_800_000
"""2026-01-01T12:00:00Z"""
LIMITS = DecisionLimits(max_hops=10)
HEADERS = [("content-type", b"application/cloudevents+json")]


def definition(name: str = "orders", *, match: Any = None, **fields: Any) -> ActivityDefinition:
    trigger = {"type": "event", "match": match or {"type": ["order"]}, **fields.pop("trigger", {})}
    task = {"name": "only", "type": "activity", "handler": "handle", "queue": "work"}
    return parse_definition(
        {
            "apiVersion": "taskfactory/v1",
            "kind": "ActivityDefinition",
            "name": name,
            "trigger": trigger,
            "tasks": [task | fields.pop("task", {})],
            **fields,
        }
    )


def active(found: ActivityDefinition, **fields: Any) -> RegisteredDefinition:
    return RegisteredDefinition("4c2f5a3e-0000-4000-8000-000000000001", 3, found, **fields)


def tried(draft: Draft, *events: Any, hours: list[int] | None = None) -> Report:
    """The report after events, each given as attributes, or as bytes that are none."""
    test = Backtest([draft], "events", LIMITS, examples=2)
    for offset, attributes in enumerate(events):
        given = {"specversion": "1.0", "id": f"e-{offset}", "source": "/shop", "type": "order"}
        value = attributes if isinstance(attributes, bytes) else json.dumps(given | attributes).encode()
        at = NOON + (hours[offset] if hours else 0) * HOUR
        test.add(read_event(record(offset, value, headers=HEADERS, timestamp=at), InForce.nothing(), 10_000))
    [report] = test.reports
    assert test.records == len(events)
    return report


def test_what_a_draft_takes_and_the_version_in_force_does_not_is_added() -> None:
    draft = Draft(
        definition(match={"data": {"total": [{"numeric": [">", 5]}]}}),
        active(definition(match={"data": {"total": [{"numeric": ["<", 8]}]}})),
    )
    report = tried(draft, {"data": {"total": 3}}, {"data": {"total": 6}}, {"data": {"total": 9}})
    assert (report.proposed.matched, report.added.count, report.removed.count) == (2, 1, 1)
    assert report.present is not None
    assert report.present.matched == 2
    assert [example.offset for example in report.added.first] == [2]
    assert [example.offset for example in report.removed.first] == [0]


def test_without_a_version_in_force_everything_that_matches_is_added() -> None:
    report = tried(Draft(definition()), {}, {"type": "refund"})
    assert (report.proposed.matched, report.added.count, report.present) == (1, 1, None)


def test_a_draft_that_is_not_enabled_is_tried_as_if_it_were() -> None:
    assert tried(Draft(definition(enabled=False)), {}).proposed.matched == 1


def test_pauses_and_activations_play_no_part() -> None:
    later = active(definition(), paused=True, active_since=datetime(2030, 1, 1, tzinfo=UTC))
    report = tried(Draft(definition(), later), {})
    assert (report.proposed.matched, report.added.count) == (1, 0)


def test_events_of_one_key_are_duplicates_of_the_first() -> None:
    report = tried(Draft(definition(dedupe={"key": "subject"})), {"subject": "a"}, {"subject": "b"}, {"subject": "a"})
    assert (report.proposed.matched, report.proposed.duplicates, report.proposed.runs) == (3, 1, 2)


def test_a_key_with_a_window_fires_again_after_it() -> None:
    times = ["2026-01-01T00:00:00Z", "2026-01-01T00:30:00Z", "2026-01-01T01:00:00Z", "2026-01-01T00:10:00Z"]
    draft = Draft(definition(dedupe={"key": "subject", "window": "1h"}))
    report = tried(draft, *({"subject": "a", "time": time} for time in times))
    assert (report.proposed.runs, report.proposed.duplicates) == (2, 2)


def test_a_replayed_event_opens_no_window_again() -> None:
    first = {"id": "x", "subject": "a", "time": "2026-01-01T00:00:00Z"}
    later = {"id": "y", "subject": "a", "time": "2026-01-01T05:00:00Z"}
    for key in ("subject", "event_id"):
        draft = Draft(definition(dedupe={"key": key, "window": "1h"}))
        assert tried(draft, first, later, first, later).proposed.runs == 2


def test_tasks_are_counted_by_the_hour_of_their_records() -> None:
    draft = Draft(definition(task={"foreach": "event.data.items", "when": "item > 0"}))
    report = tried(draft, {"data": {"items": [1, 2]}}, {"data": {"items": [0, 3, 4, 5]}}, hours=[0, 2])
    assert report.proposed.tasks == 5
    assert report.proposed.peak is not None
    assert (report.proposed.peak.hour, report.proposed.peak.tasks) == (datetime(2026, 1, 1, 14, tzinfo=UTC), 3)


def test_a_record_of_a_time_beyond_the_calendar_has_tasks_and_no_hour() -> None:
    beyond = 9_000_000_000_000_000_000
    report = tried(Draft(definition()), {}, hours=[(beyond - NOON) // HOUR])
    assert report.proposed.peak == Peak(None, 1)


def test_errors_are_told_by_reason_with_examples() -> None:
    draft = Draft(definition(trigger={"when": "event.data.total > 1"}, task={"params": {"x": "${event.data.name}"}}))
    events = [{"data": {}}, {"data": {}}, {"data": {}}, {"data": {"total": 2}}]
    report = tried(draft, *events)
    assert {reason: item.count for reason, item in report.proposed.errors.items()} == {"when_error": 3, "cel_error": 1}
    assert len(report.proposed.errors["when_error"].first) == 2
    assert "total" in (report.proposed.errors["when_error"].first[0].told or "")


def test_what_a_draft_fails_on_is_an_error_and_not_removed() -> None:
    draft = Draft(definition(trigger={"when": "event.data.total > 1"}), active(definition()))
    report = tried(draft, {"data": {}})
    assert (report.removed.count, len(report.proposed.errors)) == (0, 1)


def test_records_without_events_are_counted_by_reason() -> None:
    test = Backtest([Draft(definition())], "events", LIMITS, examples=2)
    test.add(read_event(record(0, b"no json", headers=HEADERS), InForce.nothing(), 10_000))
    assert (test.records, test.evaluated, test.unreadable) == (1, 0, {"malformed_json": 1})


def test_a_draft_of_other_topics_is_told_to_read_nothing_here() -> None:
    report = tried(Draft(definition(trigger={"topics": ["orders"]})), {})
    assert (report.reads_topic, report.proposed.matched) == (False, 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.booleans()), max_size=25))
def test_every_event_is_counted_once_for_each_version(events: list[tuple[str, int, bool]]) -> None:
    draft = Draft(
        definition(match={"data": {"total": [{"numeric": [">", 5]}]}}, dedupe={"key": "subject"}),
        active(definition(match={"data": {"flag": [True]}})),
    )
    report = tried(draft, *({"subject": key, "data": {"total": total, "flag": flag}} for key, total, flag in events))
    assert report.present is not None
    for tally in (report.proposed, report.present):
        assert tally.matched == tally.runs + tally.duplicates
        assert tally.tasks == tally.runs
    both = report.proposed.matched - report.added.count
    assert report.present.matched == both + report.removed.count
