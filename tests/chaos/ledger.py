"""The books of a fault test: what was produced against everything that came out of it. Pure.

Each check below stands for one promise of docs/architecture.md and gives sentences that name what does not add up.
Records are known by their place, which Kafka acknowledged; runs by the trigger in their row, so that nothing here
relies on how the product derives its ids, with one exception: an outcome's id is `{run or task id}/{state}`.
"""

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from tests.chaos.books import Books, Fires, Place, Produced, Refused, Run, Terms

SHOWN = 10
"""Lines shown of one kind of discrepancy."""


class UnbalancedError(AssertionError):
    """The books don't balance."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("the books do not balance:\n" + "\n".join(f"  - {line}" for line in lines))


def balance(produced: Sequence[Produced], books: Books, terms: Terms) -> None:
    """Hold everything that came out against everything that went in.

    Raises:
        UnbalancedError: with every discrepancy.
    """
    if lines := discrepancies(produced, books, terms):
        raise UnbalancedError(lines)


def discrepancies(produced: Sequence[Produced], books: Books, terms: Terms) -> list[str]:
    """Everything that does not add up, as sentences; nothing if all does."""
    checks: tuple[Callable[[Sequence[Produced], Books, Terms], Iterable[str]], ...] = (
        _every_record_is_known,
        _runs,
        _dead_letters,
        _claims,
        _ends,
        _outcomes,
        _effects,
        _committed_below_the_undisposed,
        _committed_forwards,
        _drained,
        _memory,
    )
    found: list[str] = []
    for check in checks:
        lines = list(check(produced, books, terms))
        found += lines[:SHOWN]
        if len(lines) > SHOWN:
            found.append(f"… and {len(lines) - SHOWN} more of {check.__name__.strip('_')}")
    return found


def expected_runs(produced: Iterable[Produced]) -> dict[tuple[str, str], list[Produced]]:
    """The records that fire, by definition and key: one run each."""
    firing: dict[tuple[str, str], list[Produced]] = defaultdict(list)
    for record in produced:
        for definition, fate in record.fates.items():
            if isinstance(fate, Fires):
                firing[definition, fate.key].append(record)
    return firing


def expected_letters(produced: Iterable[Produced]) -> dict[tuple[Place, str | None], str]:
    """The reasons by place and definition (None: the whole record)."""
    letters: dict[tuple[Place, str | None], str] = {}
    for record in produced:
        if record.poison:
            letters[record.place, None] = record.poison.reason
        for definition, fate in record.fates.items():
            if isinstance(fate, Refused):
                letters[record.place, definition] = fate.reason
    return letters


def _every_record_is_known(produced: Sequence[Produced], books: Books, _: Terms) -> Iterator[str]:
    """A test that forgets a record proves nothing about it."""
    counts = Counter(record.place[0] for record in produced)
    for partition, end in books.ends.items():
        if counts[partition] != end:
            yield f"partition {partition} holds {end} records, but {counts[partition]} were acknowledged to the test"


def _runs(produced: Sequence[Produced], books: Books, _: Terms) -> Iterator[str]:
    """I1 and I2: one run for each definition and key, of a record that fires it."""
    firing = expected_runs(produced)
    runs_by_key = _by_key(produced, books.runs)
    called_for = {run.run_id for runs in runs_by_key.values() for run in runs}
    for run in books.runs:
        if run.run_id not in called_for:
            yield f"{run.run_id} of {run.definition} ran for {run.trigger}, which must not fire it"
    for (definition, key), records in firing.items():
        found = runs_by_key.get((definition, key), [])
        if not found:
            yield f"{definition} never ran for key {key}: {', '.join(map(str, records[:3]))}"
        elif len(found) > 1:
            yield f"{definition} ran {len(found)} times for key {key}: {', '.join(run.run_id for run in found)}"
        elif found[0].generation != 1:
            yield f"{found[0].run_id} is of generation {found[0].generation}: nobody asked for another than the first"


def _dead_letters(produced: Sequence[Produced], books: Books, _: Terms) -> Iterator[str]:
    """I1 and I7: what can't be a run is kept with its reason, and nothing else is."""
    expected = expected_letters(produced)
    reasons: dict[tuple[Place, str | None], set[str]] = defaultdict(set)
    for letter in books.letters:
        reasons[letter.place, letter.definition].add(letter.reason)
    for (place, definition), reason in expected.items():
        if (place, definition) not in reasons:
            yield f"{place} was not dead-lettered as {reason} for {definition or 'the whole record'}"
    for (place, definition), found in reasons.items():
        wanted = expected.get((place, definition))
        if wanted is None:
            yield f"{place} was dead-lettered as {sorted(found)} for {definition or 'the whole record'}, though sound"
        elif found != {wanted}:
            yield f"{place} was dead-lettered as {sorted(found)} instead of {wanted}"


def _claims(_: Sequence[Produced], books: Books, terms: Terms) -> Iterator[str]:
    """I2: whoever claimed has a run, and whoever runs has claimed."""
    owners = Counter(run.owner for run in books.runs)
    for owner, count in owners.items():
        if count > 1:
            yield f"{count} runs have the owner {owner}"
        if owner not in books.claim_owners:
            yield f"the run of owner {owner} has claimed nothing"
    for owner in set() if terms.duplicates_claim else set(books.claim_owners) - set(owners):
        yield f"the ledger has a claim of {owner}, who has no run"


def _ends(_: Sequence[Produced], books: Books, __: Terms) -> Iterator[str]:
    """I5: nothing stays stuck."""
    for run in books.runs:
        if run.state != "completed":
            yield f"{run.run_id} is {run.state}: every run of this test can complete"
        if run.open:
            yield f"the execution of {run.run_id} has not ended"
    for task in books.tasks:
        if task.state != "completed":
            yield f"task {task.task_id} is {task.state}: every task of this test can complete"
    runs = {run.run_id for run in books.runs}
    with_tasks = {task.run_id for task in books.tasks}
    for run_id in sorted(runs ^ with_tasks):
        yield f"{run_id} has a run without tasks or tasks without a run"


def _outcomes(_: Sequence[Produced], books: Books, __: Terms) -> Iterator[str]:
    """I3: every end has one terminal outcome id, at least once, and not before its row."""
    ended = {run.run_id: run.state for run in books.runs} | {task.task_id: task.state for task in books.tasks}
    published: dict[str, set[str]] = defaultdict(set)
    for outcome in books.outcomes:
        thing, _separator, state = outcome.rpartition("/")
        published[thing].add(state)
    for thing, state in ended.items():
        if thing not in published:
            yield f"{thing} is {state}, but no outcome of it is on Kafka"
        elif published[thing] != {state}:
            yield f"{thing} is {state}, but its outcomes say {sorted(published[thing])}"
    for thing in published.keys() - ended.keys():
        yield f"an outcome of {thing} is on Kafka, but there is no such run or task"
    for outcome in books.premature:
        yield f"outcome {outcome} was on Kafka before the database said so"


def _effects(_: Sequence[Produced], books: Books, __: Terms) -> Iterator[str]:
    """Effects happen at least once, under one key."""
    tasks = {task.task_id for task in books.tasks}
    for task_id in sorted(tasks - set(books.effects)):
        yield f"task {task_id} has had no effect"
    for key in sorted(set(books.effects) - tasks):
        yield f"an effect happened under {key!r}, which is no task"


def _committed_below_the_undisposed(produced: Sequence[Produced], books: Books, _: Terms) -> Iterator[str]:
    """I4: whenever an offset was seen committed, everything below it was durable by then."""
    disposed = _disposed(produced, books)
    partitions: dict[int, list[Produced]] = defaultdict(list)
    for record in sorted(produced, key=lambda record: record.place):
        partitions[record.place[0]].append(record)
    accused: set[Place] = set()
    for partition, records in partitions.items():
        offsets = [record.place[1] for record in records]
        latest = list(accumulate((disposed[record.place] for record in records), max))
        for sample in books.samples:
            below = bisect_left(offsets, sample.committed.get(partition, 0))
            if below and latest[below - 1] > sample.at:
                guilty = next(record for record in records[:below] if disposed[record.place] > sample.at)
                if guilty.place not in accused:
                    accused.add(guilty.place)
                    late = disposed[guilty.place] - sample.at
                    when = "never was" if math.isinf(late) else f"was only {late:.3f} s later"
                    yield f"offset {sample.committed[partition]} was committed over {guilty}, disposed it {when}"


def _committed_forwards(_: Sequence[Produced], books: Books, terms: Terms) -> Iterator[str]:
    """I4: a member that was expelled must not commit over the next owner."""
    for before, after in pairwise(books.samples):
        if terms.late_commits or before.at < terms.rewound_at <= after.at:
            continue
        for partition, offset in before.committed.items():
            now = after.committed.get(partition, offset)
            if now < offset:
                yield f"the committed offset of partition {partition} went back from {offset} to {now}"


def _drained(_: Sequence[Produced], books: Books, __: Terms) -> Iterator[str]:
    """I5: the backlog drains by itself."""
    for partition, end in books.ends.items():
        committed = books.committed.get(partition, 0)
        if committed != end:
            yield f"partition {partition} is committed up to {committed} of {end}"


def _memory(_: Sequence[Produced], books: Books, terms: Terms) -> Iterator[str]:
    """I5: memory stays bounded."""
    if books.peak_memory > terms.memory:
        yield f"ingress took {books.peak_memory >> 20} MiB of memory, {terms.memory >> 20} MiB are allowed"


def _disposed(produced: Sequence[Produced], books: Books) -> dict[Place, float]:
    """By place, when the record's last disposition was durable; infinite if one is missing."""
    began = {key: min(run.began for run in runs) for key, runs in _by_key(produced, books.runs).items()}
    lettered: dict[tuple[Place, str | None], float] = {}
    for letter in books.letters:
        name = (letter.place, letter.definition)
        lettered[name] = min(letter.at, lettered.get(name, math.inf))
    disposed = {}
    for record in produced:
        moments = [-math.inf]
        if record.poison:
            moments.append(lettered.get((record.place, None), math.inf))
        for definition, fate in record.fates.items():
            if isinstance(fate, Fires):
                moments.append(began.get((definition, fate.key), math.inf))
            else:
                moments.append(lettered.get((record.place, definition), math.inf))
        disposed[record.place] = max(moments)
    return disposed


def _by_key(produced: Sequence[Produced], runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    places = {record.place: record for record in produced}
    grouped: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        record = places.get(run.trigger)
        fate = record.fates.get(run.definition) if record else None
        if isinstance(fate, Fires):
            grouped[run.definition, fate.key].append(run)
    return grouped
