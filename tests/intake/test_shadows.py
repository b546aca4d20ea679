"""What shadow versions make of an event, beside what was decided."""

from dataclasses import replace
from typing import Any

from taskfactory.definitions import DefinitionSet, RegisteredDefinition
from taskfactory.intake import DecisionLimits, InForce, ReadEvent, decide, read_event, shadow_matches
from taskfactory.registry import ShadowMatch
from tests.ingress.fakes import record
from tests.intake.test_decisions import LIMIT, LIMITS, STRUCTURED, definition, event

ORDERS = definition("orders", {"type": ["order"]})


def shadow(name: str = "orders", match: dict[str, Any] | None = None, **parts: Any) -> RegisteredDefinition:
    return replace(definition(name, match or {"type": ["order"]}, **parts), version=3)


def compared(
    active: list[RegisteredDefinition],
    shadows: list[RegisteredDefinition],
    limits: DecisionLimits = LIMITS,
    **attributes: Any,
) -> list[ShadowMatch]:
    in_force = InForce(1, DefinitionSet(active), shadows=DefinitionSet(shadows))
    read = read_event(record(4, event(**attributes), headers=STRUCTURED), in_force, LIMIT)
    assert isinstance(read, ReadEvent)
    return shadow_matches(read, in_force, decide(read, in_force, limits))


def outline(matches: list[ShadowMatch]) -> list[tuple[str, str, bool | None]]:
    return [(match.active_verdict, match.verdict, match.same_key) for match in matches]


def test_a_record_that_both_versions_take_is_told_with_its_coordinates() -> None:
    assert compared([ORDERS], [shadow()]) == [
        ShadowMatch(
            definition_id=ORDERS.id,
            version=3,
            topic="events",
            partition=0,
            offset=4,
            verdict="matched",
            active_version=2,
            active_verdict="matched",
            event_source="/shop",
            event_id="e-1",
            event_type="order",
            dedupe_key=("/shop", "e-1"),
            same_key=True,
        )
    ]


def test_another_dedupe_key_is_told() -> None:
    assert outline(compared([ORDERS], [shadow(dedupe={"key": "subject"})], subject="o-1")) == [
        ("matched", "matched", False)
    ]


def test_what_only_one_of_them_takes_is_told_and_what_none_takes_is_not() -> None:
    large, refunds = shadow(when="event.data.total > 100"), shadow(match={"type": ["refund"]})
    assert outline(compared([ORDERS], [large])) == [("matched", "none", None)]
    assert outline(compared([ORDERS], [refunds])) == [("matched", "none", None)]
    assert outline(compared([], [shadow()])) == [("none", "matched", None)]
    assert compared([], [large, refunds]) == []


def test_what_fails_on_one_side_is_told_in_words() -> None:
    picky = "event.data.missing > 1"
    [match] = compared([ORDERS], [shadow(when=picky)])
    assert (match.active_verdict, match.verdict) == ("matched", "error")
    assert (match.message or "").startswith("shadow version: when_error: ")
    [match] = compared([definition("orders", {"type": ["order"]}, when=picky)], [shadow()])
    assert (match.active_verdict, match.verdict) == ("error", "matched")
    assert (match.message or "").startswith("active version: when_error: ")


def test_a_paused_definition_and_one_whose_event_came_too_far_have_taken_it() -> None:
    assert outline(compared([replace(ORDERS, paused=True)], [shadow()])) == [("matched", "matched", True)]
    near = DecisionLimits(max_hops=0)
    assert outline(compared([ORDERS], [shadow()], near, hops=1)) == [("matched", "matched", None)]


def test_decisions_about_definitions_without_a_shadow_version_are_not_told() -> None:
    others = [definition(f"other-{number}", {"type": ["order"]}) for number in range(3)]
    assert [match.definition_id for match in compared([*others, ORDERS], [shadow()])] == [ORDERS.id]
