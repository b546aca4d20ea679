"""What should have come of a record, by the definitions of then and the code that decides."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from taskfactory.definitions import RegisteredDefinition, run_id_in_generation
from taskfactory.intake import DecisionLimits, EventReader, InForce, ReadResult, Record, Unavailable
from taskfactory.intake.audit.entries import (
    Disposition,
    Entry,
    Expectation,
    Expected,
    Facts,
    Letter,
    Place,
    Settled,
    Trouble,
)
from taskfactory.intake.audit.expectations import Expectations, Judged
from taskfactory.intake.audit.settling import settle
from taskfactory.intake.audit.timeline import Deciders
from taskfactory.intake.audit.versions import Versions
from taskfactory.intake.audit.witnesses import Witness
from tests.ingress.fakes import record, unavailable
from tests.intake.audit.test_versions import FakePast, Log
from tests.intake.audit.worlds import definition_id, run
from tests.intake.test_decisions import STRUCTURED, definition, event

PLACE = Place(0, 4)
LIMITS = DecisionLimits(max_hops=10)


def known(name: str, number: int, version: int = 2, **trigger: Any) -> RegisteredDefinition:
    found = definition(name, {"type": ["order"]}, **trigger)
    return replace(found, id=definition_id(number), version=version)


ORDERS = known("orders", 1)
AUDIT = known("audit", 2)
FAILING = known("orders", 1, version=3, when="event.data.missing > 1")
NEVER = known("orders", 1, version=4, when="false")


async def judged(
    log: Log,
    *revisions: int,
    value: bytes | None = None,
    certain: bool = True,
    witness: Witness | None = None,
    reader: EventReader | None = None,
) -> Judged:
    past = FakePast(log)
    expectations = Expectations(Versions(past, past, "events"), reader or EventReader(1000, None), LIMITS)
    deciders = Deciders(revisions, certain)
    at = record(4, event() if value is None else value, headers=STRUCTURED)
    return await expectations.judge(at, deciders, witness or Witness())


def kinds(entry: Entry) -> list[tuple[Expectation, bool] | None]:
    return [None if item is None else (item.kind, item.later) for item in entry.expected]


def begun(entry: Entry) -> Expected:
    [expected] = [item for item in entry.expected if item is not None and item.kind is Expectation.START]
    return expected


async def test_every_definition_of_the_revision_says_what_follows() -> None:
    paused = replace(known("paused", 3), paused=True)
    later = replace(known("later", 4), active_since=datetime(2100, 1, 1, tzinfo=UTC))
    found = await judged({1: {item.id: item for item in (FAILING, AUDIT, paused, later)}}, 1)
    assert found.readable
    assert {entry.definition: kinds(entry) for entry in found.entries} == {
        "orders": [(Expectation.DEAD_LETTER, False)],
        "audit": [(Expectation.START, False)],
        "paused": [(Expectation.PAUSE, False)],
        "later": [(Expectation.LEAVE, False)],
    }
    assert {entry.letter_id for entry in found.entries} == {
        f"events/0/4/{definition_id(number)}" for number in (1, 2, 3, 4)
    }


@pytest.mark.parametrize("certain", [True, False])
async def test_what_two_revisions_make_of_a_record_is_possible_and_the_latest_reading_may_be_certain(
    *, certain: bool
) -> None:
    [entry] = (await judged({1: {ORDERS.id: ORDERS}, 2: {ORDERS.id: NEVER}}, 2, 1, certain=certain)).entries
    assert kinds(entry) == [None, (Expectation.START, False)]
    assert entry.certain is certain


async def test_a_record_that_nobody_can_read_is_one_letter_of_the_record_itself() -> None:
    found = await judged({1: {ORDERS.id: ORDERS}}, 1, value=b"broken")
    [entry] = found.entries
    assert not found.readable
    assert (entry.definition_id, entry.letter_id, kinds(entry)) == (
        None,
        "events/0/4",
        [(Expectation.DEAD_LETTER, False)],
    )


async def test_a_record_that_one_revision_could_not_read_is_still_asked_about_under_the_other() -> None:
    class Mended(EventReader):
        def read_known(self, record: Record, in_force: InForce) -> ReadResult:
            value = b"broken" if in_force.revision == 1 else record.value
            return super().read_known(replace(record, value=value), in_force)

    found = await judged({1: {ORDERS.id: ORDERS}, 2: {}}, 2, 1, reader=Mended(1000, None))
    assert found.readable
    by_definition = {entry.definition_id: kinds(entry) for entry in found.entries}
    assert by_definition[ORDERS.id] == [(Expectation.START, False), None]
    assert by_definition[None] == [None, (Expectation.DEAD_LETTER, False)]


async def test_a_schema_registry_that_is_away_ends_the_audit_and_proves_nothing() -> None:
    class Away(EventReader):
        async def read(self, record: Record, in_force: InForce) -> ReadResult:  # noqa: ARG002 -- as the real one
            raise unavailable()

    with pytest.raises(Unavailable):
        await judged({1: {ORDERS.id: ORDERS}}, 1, reader=Away(1000, None))


async def test_a_replayed_run_is_explained_by_the_version_and_generation_that_it_names() -> None:
    log: Log = {1: {NEVER.id: NEVER}, 2: {ORDERS.id: ORDERS}}
    [then] = (await judged(log, 2)).entries
    first = begun(then)
    again = run_id_in_generation(first.run_id or "", 1, 2)
    row = replace(run(first, PLACE, ORDERS.id), run_id=again, version=2, generation=2)
    [entry] = (await judged(log, 1, witness=Witness(runs=[row]))).entries
    assert kinds(entry) == [None, (Expectation.START, True)]
    assert begun(entry).run_id == again


async def test_a_run_of_another_id_is_not_explained_by_a_replay() -> None:
    log: Log = {1: {NEVER.id: NEVER}, 2: {ORDERS.id: ORDERS}}
    [then] = (await judged(log, 2)).entries
    stranger = replace(run(begun(then), PLACE, ORDERS.id), run_id="made-up", version=2)
    [entry] = (await judged(log, 1, witness=Witness(runs=[stranger]))).entries
    assert kinds(entry) == [None]


async def test_a_letter_that_a_replay_wrote_is_explained_by_the_version_that_it_names() -> None:
    log: Log = {1: {NEVER.id: NEVER}, 2: {FAILING.id: FAILING}}
    letter = Letter(f"events/0/4/{FAILING.id}", PLACE, FAILING.id, FAILING.version, "when_error")
    [entry] = (await judged(log, 1, witness=Witness(letters=[letter]))).entries
    assert kinds(entry) == [None, (Expectation.DEAD_LETTER, True)]


@pytest.mark.parametrize("value", [b"broken", event()], ids=["never readable", "readable by another mapping"])
async def test_a_letter_of_a_replay_that_could_not_read_the_record_is_explained(value: bytes) -> None:
    letter = Letter(f"events/0/4/{ORDERS.id}", PLACE, ORDERS.id, ORDERS.version, "malformed_json")
    judgement = await judged({1: {}, 2: {ORDERS.id: ORDERS}}, 1, value=value, witness=Witness(letters=[letter]))
    [entry] = [item for item in judgement.entries if item.definition_id == ORDERS.id]
    assert (Expectation.DEAD_LETTER, True) in kinds(entry)
    facts = Facts(committed={0: 100}, letters={letter.id: letter})
    assert settle(entry, facts) == Settled(Disposition.DEAD_LETTERED)


async def test_a_letter_that_names_a_version_that_never_was_is_not_explained() -> None:
    letter = Letter(f"events/0/4/{ORDERS.id}", PLACE, ORDERS.id, 99, "malformed_json")
    judgement = await judged({1: {ORDERS.id: ORDERS}}, 1, value=b"broken", witness=Witness(letters=[letter]))
    [entry] = [item for item in judgement.entries if item.definition_id == ORDERS.id]
    settled = settle(entry, Facts(committed={0: 100}, letters={letter.id: letter}))
    assert isinstance(settled, Settled)
    assert [item.trouble for item in settled.troubles] == [Trouble.LETTER_UNEXPLAINED]
