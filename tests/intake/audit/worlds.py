"""Invented installations: what should have come of records, and all facts that follow from it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID, uuid5

from hypothesis import strategies as st

from taskfactory.definitions import DedupeKey
from taskfactory.intake.audit.entries import Entry, Expectation, Expected, Facts, Letter, Place
from taskfactory.registry import ClaimKeys, LedgerKey, RunFact

NAMESPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
MOMENT = datetime(2026, 5, 1, tzinfo=UTC)
KINDS = ("start", "paused", "before_activation", "dead_letter", None)


def definition_id(number: int) -> str:
    return str(uuid5(NAMESPACE, f"definition {number}"))


def ledger_key(activity: str, *parts: str) -> LedgerKey:
    return LedgerKey(UUID(activity), DedupeKey("expression", parts).digest, 1)


def start(activity: str, event: str, key: str | None = None, *, later: bool = False) -> Expected:
    """A start for an event, under its own key or one that it shares with others."""
    identity = ledger_key(activity, "event", event)
    strategy = identity if key is None else ledger_key(activity, "key", key)
    run_id = f"run-{activity}-{key or event}"
    return Expected(Expectation.START, run_id, ClaimKeys(identity, strategy, identity), later=later)


def entry(offset: int, activity: str | None, *expected: Expected | None, partition: int = 0) -> Entry:
    place = Place(partition, offset)
    letter_id = "/".join(["events", str(partition), str(offset), *([activity] if activity else [])])
    return Entry("events", place, int(MOMENT.timestamp() * 1000), f"e-{offset}", activity, "name", letter_id, expected)


def run(expected: Expected, place: Place, activity: str) -> RunFact:
    assert expected.keys is not None
    return RunFact(
        run_id=expected.run_id or "",
        activity_id=activity,
        activity_name="name",
        version=1,
        generation=1,
        state="completed",
        event_digest=expected.keys.identity.digest,
        event_source="/tests",
        event_id=f"e-{place.offset}",
        started_at=MOMENT,
        topic="events",
        partition=place.partition,
        offset=place.offset,
    )


def letter(of: Entry, reason: str = "when_error") -> Letter:
    return Letter(of.letter_id, of.place, of.definition_id, 1, reason)


@dataclass(frozen=True)
class World:
    """Entries and facts; as it is made, everything adds up."""

    entries: tuple[Entry, ...]
    facts: Facts
    records: int

    @property
    def runs(self) -> list[RunFact]:
        return [run for runs in self.facts.triggered.values() for run in runs]

    def without_run(self, gone: RunFact) -> "World":
        triggered = {key: [run for run in runs if run != gone] for key, runs in self.facts.triggered.items()}
        rows = {key: run for key, run in self.facts.runs.items() if run != gone}
        by_event = {key: run for key, run in self.facts.runs_of_events.items() if run != gone}
        return replace(self, facts=replace(self.facts, triggered=triggered, runs=rows, runs_of_events=by_event))

    def with_run(self, extra: RunFact) -> "World":
        assert extra.partition is not None
        assert extra.offset is not None
        key = (Place(extra.partition, extra.offset), extra.activity_id)
        triggered = {**self.facts.triggered, key: [*self.facts.triggered.get(key, ()), extra]}
        return replace(self, facts=replace(self.facts, triggered=triggered))

    def without_claims(self, gone: frozenset[LedgerKey]) -> "World":
        return replace(self, facts=replace(self.facts, claimed=self.facts.claimed - gone))

    def without_letter(self, gone: str) -> "World":
        letters = {key: item for key, item in self.facts.letters.items() if key != gone}
        return replace(self, facts=replace(self.facts, letters=letters))

    def with_letter(self, extra: Letter) -> "World":
        return replace(self, facts=replace(self.facts, letters={**self.facts.letters, extra.id: extra}))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to 12 records and 3 definitions, with keys that events share."""
    records = draw(st.integers(1, 12))
    definitions = [definition_id(number) for number in range(draw(st.integers(1, 3)))]
    # Each event may come twice (its id is half its offset), and may share its key with others.
    keys = draw(st.lists(st.none() | st.sampled_from(["k1", "k2"]), min_size=6, max_size=6))
    entries: list[Entry] = []
    facts = _Facts()
    for offset in range(records):
        for activity in definitions:
            kind = draw(st.sampled_from(KINDS))
            if kind == "start":
                expected = start(activity, f"e-{offset // 2}", keys[offset // 2])
            elif kind is None:
                continue
            else:
                expected = Expected(Expectation(kind))
            # What an earlier revision may have made of the record before a crash changes nothing.
            besides = draw(st.sampled_from([(), (None,), (Expected(Expectation.PAUSE),)]))
            made = entry(offset, activity, *dict.fromkeys([expected, *besides]))
            entries.append(made)
            facts.follow(made, expected)
    return World(tuple(entries), facts.made(records), records)


class _Facts:
    """What follows when records are decided about one after the other."""

    def __init__(self) -> None:
        self.triggered: dict[tuple[Place, str], list[RunFact]] = {}
        self.rows: dict[str, RunFact] = {}
        self.by_event: dict[LedgerKey, RunFact] = {}
        self.claimed: set[LedgerKey] = set()
        self.letters: dict[str, Letter] = {}

    def follow(self, made: Entry, expected: Expected) -> None:
        activity = made.definition_id or ""
        if expected.kind is Expectation.DEAD_LETTER:
            self.letters[made.letter_id] = letter(made)
        if expected.kind is not Expectation.START or expected.keys is None:
            return
        if expected.keys.identity in self.claimed:
            return
        self.claimed.add(expected.keys.identity)
        if expected.keys.strategy != expected.keys.identity and expected.keys.strategy in self.claimed:
            return
        self.claimed.add(expected.keys.strategy)
        row = run(expected, made.place, activity)
        self.triggered[made.place, activity] = [row]
        self.rows[row.run_id] = row
        self.by_event.setdefault(row.event, row)

    def made(self, committed: int) -> Facts:
        return Facts(
            triggered=self.triggered,
            runs=self.rows,
            runs_of_events=self.by_event,
            claimed=frozenset(self.claimed),
            letters=self.letters,
            committed={0: committed},
            rows_kept_since=datetime(2026, 1, 1, tzinfo=UTC),
        )
