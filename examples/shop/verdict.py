"""The expectation held against the evidence: the demo's table, what was lost, and what was done twice. Pure.

- Lost: a record that Kafka has not or that was not committed, an outcome, a dead letter or an effect that never came.
- Done twice: a task or run with two different ends, an effect under two idempotency keys.

What "at least once" allows is counted and harmless: an outcome again under its own id, another attempt, an effect
repeated under its own key.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from examples.shop.broker import Place
from examples.shop.evidence import Evidence, SeenOutcome
from examples.shop.expectation import Expectation, ExpectedRun
from taskfactory.definitions import DedupeKey, outcome_id, workflow_id


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    found: int
    expected: int | None
    """None where any number is right."""
    source: str
    """Where the number was read."""
    or_more: bool = False
    """Whether a larger number is right too."""

    @property
    def wrong(self) -> bool:
        """Whether another number was expected."""
        if self.expected is None or (self.or_more and self.found > self.expected):
            return False
        return self.found != self.expected


@dataclass(frozen=True)
class Verdict:
    """The table, and a sentence for everything that is not as it should be."""

    rows: tuple[Row, ...]
    lost: tuple[str, ...]
    twice: tuple[str, ...]
    surprises: tuple[str, ...]
    """What came although nobody expected it."""

    @property
    def good(self) -> bool:
        """Whether everything is as expected."""
        return not (self.lost or self.twice or self.surprises or any(row.wrong for row in self.rows))


@dataclass(frozen=True)
class Plan:
    """The expectation under the ids that the registry's definitions give it."""

    sent: int
    """Number of records."""
    outcomes: frozenset[str]
    """Ids of all outcomes."""
    effects: Mapping[str, str] = field(repr=False)
    """Effect → the idempotency key that it must be done under."""
    dead_letters: Mapping[tuple[Place, str | None], str] = field(repr=False)
    """Place of the record and name of the definition → reason."""


def plan(expectation: Expectation, places: Iterable[Place], activity_ids: Mapping[str, str]) -> Plan:
    """Give everything that is expected its id.

    Args:
        expectation: what has to come.
        places: where Kafka put each record, in the order of sending.
        activity_ids: the registry's ids, by definition name.
    """
    outcomes: set[str] = set()
    effects: dict[str, str] = {}
    for run in expectation.runs:
        run_id = _run_id(run, activity_ids)
        outcomes.add(outcome_id(run_id, run.status))
        for task in run.tasks:
            task_id = f"{run_id}/{task.path}"
            outcomes.add(outcome_id(task_id, task.status))
            effects |= {effect.name: _key(task_id, effect.step) for effect in task.effects}
    at = dict(enumerate(places))
    letters = {(at[index], letter.definition): letter.reason for index, letter in expectation.dead_letters.items()}
    return Plan(expectation.sent, frozenset(outcomes), effects, letters)


def judge(expectation: Expectation, evidence: Evidence) -> Verdict:
    """Compare, count, and name what differs."""
    wanted = plan(expectation, evidence.places, evidence.activity_ids)
    seen = {outcome.id: outcome for outcome in evidence.outcomes}
    letters = {letter.subject: letter.reason for letter in evidence.dead_letters}
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for entry in evidence.effects:
        keys[entry.effect].add(entry.key)
    lost = [
        *_missing("a record", len(evidence.places), len(evidence.identities), "on the events topic"),
        *_missing("a record", len(evidence.places), evidence.committed, "behind the committed offsets"),
        *(f"outcome {id_}" for id_ in wanted.outcomes - seen.keys()),
        *(f"dead letter of {_place(letter)}" for letter in wanted.dead_letters.keys() - letters.keys()),
        *(f"effect {effect!r}" for effect in wanted.effects.keys() - keys.keys()),
    ]
    twice = [
        *_two_ends(seen.values()),
        *(f"effect {effect!r}, under {sorted(under)}" for effect, under in keys.items() if len(under) > 1),
    ]
    surprises = [
        *(f"outcome {id_}" for id_ in seen.keys() - wanted.outcomes),
        *(
            f"dead letter of {_place(letter)}: {reason}; expected {wanted.dead_letters.get(letter, 'none')}"
            for letter, reason in letters.items()
            if wanted.dead_letters.get(letter) != reason
        ),
        *(
            f"effect {effect!r} under {sorted(under)}; expected {wanted.effects.get(effect, 'none')}"
            for effect, under in keys.items()
            if under != {wanted.effects.get(effect)}
        ),
    ]
    rows = _rows(expectation, evidence, keys, lost, twice)
    return Verdict(rows, tuple(sorted(lost)), tuple(sorted(twice)), tuple(sorted(surprises)))


def _rows(
    expectation: Expectation,
    evidence: Evidence,
    keys: Mapping[str, set[str]],
    lost: list[str],
    twice: list[str],
) -> tuple[Row, ...]:
    decisions, tasks = evidence.decisions, list(evidence.tasks.values())
    outcomes = {outcome.id: outcome for outcome in evidence.outcomes}
    retried = sum(1 for outcome in outcomes.values() if outcome.attempts is not None and outcome.attempts > 1)
    started, refused = decisions.get("started", 0), decisions.get("already_started", 0)
    letters = {letter.subject for letter in evidence.dead_letters}
    events, registry, ingress = "Kafka, events topic", "PostgreSQL", "ingress /metrics"
    told, journal = "Kafka, outcomes topic", "the handlers' journal"
    return (
        Row("events sent", len(evidence.identities), expectation.sent, events),
        Row("  of these distinct", len(set(evidence.identities) - {None}), expectation.distinct, events),
        Row("  disposed, offset committed", evidence.committed, expectation.sent, "Kafka, consumer group"),
        Row("matched, event by definition", started + refused, expectation.matched, ingress),
        Row("  runs started", len(evidence.runs), len(expectation.runs), registry),
        Row("  duplicates refused", refused, expectation.duplicates, ingress),
        Row("filtered, no definition matched", decisions.get("filtered", 0), expectation.filtered, ingress),
        Row("dead-lettered", len(letters), len(expectation.dead_letters), "Kafka, dead letter topic"),
        Row("tasks completed", tasks.count("completed"), expectation.tasks("completed"), registry),
        Row("tasks failed for good", tasks.count("failed"), expectation.tasks("failed"), registry),
        Row("tasks tried more than once", retried, expectation.retried, told, or_more=True),
        Row("outcomes received, distinct", len(outcomes), expectation.outcomes, told),
        Row("  received again, same id", len(evidence.outcomes) - len(outcomes), None, told),
        Row("effects done", len(keys), expectation.effects, journal),
        Row("  repeated, same key", len(evidence.effects) - len(set(_effects(evidence))), None, journal),
        Row("lost", len(lost), 0, "all of them"),
        Row("done twice", len(twice), 0, "all of them"),
    )


def _effects(evidence: Evidence) -> Iterable[tuple[str, str]]:
    return ((entry.effect, entry.key) for entry in evidence.effects)


def _run_id(run: ExpectedRun, activity_ids: Mapping[str, str]) -> str:
    return workflow_id(activity_ids[run.definition], DedupeKey(run.strategy, run.parts))


def _key(task_id: str, step: str | None) -> str:
    return task_id if step is None else f"{task_id}/{step}"


def _place(letter: tuple[Place, str | None]) -> str:
    (partition, offset), definition = letter
    return f"partition {partition}, offset {offset}" + (f", for {definition}" if definition else "")


def _missing(what: str, expected: int, found: int, where: str) -> list[str]:
    return [f"{what} that is not {where}"] * max(0, expected - found)


def _two_ends(outcomes: Iterable[SeenOutcome]) -> list[str]:
    ends: defaultdict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        ends[outcome.ended].append(outcome.id)
    return [f"end of {ended}: {sorted(ids)}" for ended, ids in ends.items() if len(ids) > 1]
