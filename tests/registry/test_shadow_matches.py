"""What shadow versions would have done: kept once per record, bounded, and compared."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from taskfactory.registry import DefinitionStore, ShadowMatch, ShadowMatches, ShadowReport, UnknownNames
from tests.registry.samples import definition


@pytest.fixture
def name() -> str:
    return f"order-{uuid4().hex}"


@pytest.fixture
def matches(engine: Engine) -> ShadowMatches:
    return ShadowMatches(engine)


@pytest.fixture
def match(definitions: DefinitionStore, name: str) -> ShadowMatch:
    """A record that both take, of a definition that has a shadow version."""
    definitions.apply([definition(name)], "ann")
    (applied,) = definitions.apply([definition(name, description="better")], "ann", shadow=True)
    return ShadowMatch(
        definition_id=applied.id,
        version=applied.version,
        topic="orders",
        partition=0,
        offset=0,
        verdict="matched",
        active_version=1,
        active_verdict="matched",
        event_source="/shop",
        event_id="e-0",
        event_type="order.placed",
        dedupe_key=("/shop", "e-0"),
        same_key=True,
    )


def counts(report: ShadowReport) -> tuple[int, int, int, int]:
    return report.both, report.only_active, report.only_shadow, report.errors


def test_a_report_counts_what_both_take_what_one_takes_and_what_failed(
    definitions: DefinitionStore, matches: ShadowMatches, match: ShadowMatch, name: str
) -> None:
    assert counts(definitions.shadow_report(name)) == (0, 0, 0, 0)
    kinds = [
        replace(match, offset=0),
        replace(match, offset=1, same_key=False),
        replace(match, offset=2, verdict="none", same_key=None),
        replace(match, offset=3, active_verdict="none", active_version=None, same_key=None),
        replace(match, offset=4, verdict="error", message="shadow version: when_error: no"),
        replace(match, offset=5, active_verdict="error", message="active version: when_error: no"),
    ]
    matches.put(kinds[:3])
    matches.put(kinds[3:])
    report = definitions.shadow_report(name)
    assert counts(report) == (2, 1, 1, 2)
    assert (report.version, report.other_key, report.full) == (2, 1, False)
    assert {(example.comparison, example.offset) for example in report.examples} == {
        *(("both", 0), ("both", 1), ("only_active", 2), ("only_shadow", 3), ("errors", 4), ("errors", 5))
    }
    assert report.first is not None
    assert report.last is not None
    assert counts(definitions.shadow_report(name, report.last)) == (0, 0, 1, 2)
    assert counts(definitions.shadow_report(name, report.last + timedelta(seconds=1))) == (0, 0, 0, 0)


def test_a_record_that_is_decided_again_is_counted_once(
    definitions: DefinitionStore, matches: ShadowMatches, match: ShadowMatch, name: str
) -> None:
    matches.put([match, replace(match, active_verdict="none"), match])
    matches.put([match])
    assert counts(definitions.shadow_report(name)) == (1, 0, 0, 0)


def test_examples_are_the_newest_of_each_kind(
    definitions: DefinitionStore, matches: ShadowMatches, match: ShadowMatch, name: str
) -> None:
    for offset in range(4):
        matches.put([replace(match, offset=offset)])
    report = definitions.shadow_report(name, examples=2)
    assert [example.offset for example in report.examples] == [3, 2]
    assert report.both == 4


def test_a_version_has_so_many_rows_and_no_more(
    engine: Engine, definitions: DefinitionStore, match: ShadowMatch, name: str
) -> None:
    few = ShadowMatches(engine, limit=3)
    few.put([replace(match, offset=offset) for offset in range(5)])
    few.put([replace(match, offset=9)])
    ShadowMatches(engine, limit=3).put([replace(match, offset=10)])  # another process knows it too
    assert counts(definitions.shadow_report(name)) == (3, 0, 0, 0)


def test_records_that_are_decided_again_use_up_no_room(
    engine: Engine, definitions: DefinitionStore, match: ShadowMatch, name: str
) -> None:
    few = ShadowMatches(engine, limit=3)
    for _ in range(5):
        few.put([match])
    few.put([replace(match, offset=offset) for offset in (1, 2)])
    assert counts(definitions.shadow_report(name)) == (3, 0, 0, 0)


def test_a_report_outlasts_the_promotion_and_ends_with_the_next_shadow_version(
    definitions: DefinitionStore, matches: ShadowMatches, match: ShadowMatch, name: str
) -> None:
    matches.put([match])
    definitions.promote(name, "ann")
    report = definitions.shadow_report(name)
    assert (report.version, counts(report)) == (2, (1, 0, 0, 0))
    definitions.apply([definition(name, description="best")], "ann", shadow=True)
    report = definitions.shadow_report(name)
    assert (report.version, counts(report)) == (3, (0, 0, 0, 0))


def test_nothing_is_kept_of_a_deleted_definition(
    definitions: DefinitionStore, matches: ShadowMatches, match: ShadowMatch, name: str
) -> None:
    matches.put([match])
    definitions.remove([name], "ann")
    report = definitions.shadow_report(name)
    assert (report.version, counts(report)) == (None, (0, 0, 0, 0))
    with pytest.raises(UnknownNames, match=f"{name}-other"):
        definitions.shadow_report(f"{name}-other")


def test_whatever_an_event_says_of_itself_can_be_kept(
    definitions: DefinitionStore, matches: ShadowMatches, match: ShadowMatch, name: str
) -> None:
    odd = "a\x00b\ud800" + "x" * 10_000
    matches.put([replace(match, event_id=odd, event_source=odd, event_type=odd, dedupe_key=(odd, 1), message=odd)])
    (example,) = definitions.shadow_report(name).examples
    assert example.event_id.startswith(r"a\x00b\ud800x")
