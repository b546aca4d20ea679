"""What an operator's command does about one record, whatever goes wrong: at its rate, and with bounded patience."""

import math
from typing import Any

import pytest

from taskfactory.definitions import DefinitionSet
from taskfactory.envelope import SchemaNeeded
from taskfactory.intake import (
    DeadLetter,
    DecisionLimits,
    Disposer,
    EventReader,
    InForce,
    Pace,
    ReadResult,
    Record,
    Refused,
    Unavailable,
)
from tests.ingress.fakes import FakeDeadLetters, FakeStarter, record, unavailable
from tests.intake.test_decisions import STRUCTURED, definition, event

LIMITS = DecisionLimits(max_hops=10)
ORDERS = definition("orders", {"type": ["order"]})


class AwayReader(EventReader):
    """Its schema registry is away."""

    def read_known(self, record: Record, in_force: InForce) -> ReadResult:  # noqa: ARG002 -- as the real one
        raise SchemaNeeded(7)

    async def read(self, record: Record, in_force: InForce) -> ReadResult:  # noqa: ARG002 -- as the real one
        raise unavailable()


class Stumbling(DefinitionSet):
    """Has a bug."""

    def evaluate(self, event: Any, topic: str | None) -> Any:  # noqa: ARG002 -- as the real one
        raise KeyError("a bug")


async def unchanged(letter: DeadLetter) -> DeadLetter:
    return letter


async def test_starts_and_letters_together_keep_the_rate() -> None:
    now = 0.0
    done: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    class Starts(FakeStarter):
        async def start(self, run: Any, request_id: str) -> Any:
            done.append(now)
            return await super().start(run, request_id)

    class Letters(FakeDeadLetters):
        async def write(self, letter: DeadLetter) -> None:
            done.append(now)
            await super().write(letter)

    disposer = Disposer(EventReader(1000, None), Starts(), Letters(), LIMITS, Pace(10, lambda: now, sleep))
    in_force = InForce(1, DefinitionSet([ORDERS]))
    for value in (event(id="e-1"), b"broken", event(id="e-2"), event(type="refund"), b"broken"):
        await disposer.dispose(record(0, value, headers=STRUCTURED), in_force, unchanged)
    assert done == pytest.approx([0.0, 0.1, 0.2, 0.3])


async def test_a_schema_registry_that_stays_away_ends_the_command_and_makes_no_letter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("taskfactory.intake.disposer.PATIENCE_SECONDS", 0.0)
    letters = FakeDeadLetters()
    disposer = Disposer(AwayReader(1000, None), FakeStarter(), letters, LIMITS, Pace(math.inf))
    with pytest.raises(Unavailable):
        await disposer.dispose(record(0, b"avro"), InForce(1, DefinitionSet([ORDERS])), unchanged)
    assert not letters.letters


async def test_a_record_that_deciding_stumbles_over_is_a_letter_as_in_ingress() -> None:
    letters = FakeDeadLetters()
    disposer = Disposer(EventReader(1000, None), FakeStarter(), letters, LIMITS, Pace(math.inf))
    [done] = await disposer.dispose(record(0, event(), headers=STRUCTURED), InForce(1, Stumbling([ORDERS])), unchanged)
    assert (done.kind, done.definition) == ("dead_lettered", None)
    assert [(letter.reason, letter.message) for letter in letters.letters] == [("internal_error", "KeyError: 'a bug'")]


async def test_every_new_letter_is_shown_to_the_caller_before_it_is_written() -> None:
    letters, starter = FakeDeadLetters(), FakeStarter()
    starter.fail_with(Refused("refused_by_temporal", "bad input"))
    disposer = Disposer(EventReader(1000, None), starter, letters, LIMITS, Pace(math.inf))

    async def counted(letter: DeadLetter) -> DeadLetter:
        return DeadLetter(letter.record, letter.reason, letter.message, letter.definition, earlier=4)

    in_force = InForce(1, DefinitionSet([ORDERS]))
    for value in (event(), b"broken"):
        await disposer.dispose(record(0, value, headers=STRUCTURED), in_force, counted)
    assert [(letter.reason, letter.attempts) for letter in letters.letters] == [
        ("refused_by_temporal", 5),
        ("malformed_json", 5),
    ]
