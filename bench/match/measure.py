"""The figures: throughput by size, interleaved; building, changing and memory at 10,000 definitions.

All times are CPU time of this process, so that other programs on the machine count as little as possible. Rounds go
through all sizes in turn, so that a slow phase of the machine hits all sizes alike; medians are over the rounds.
"""

import gc
import json
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Final

from bench.match.workload import Workload
from taskfactory.definitions import DefinitionSet, Matched, RegisteredDefinition, trusted_definition
from taskfactory.envelope import decode, json_text

HEADERS: Final = [("content-type", b"application/cloudevents+json")]


class WrongMatches(AssertionError):  # noqa: N818  the subject, not the mechanism
    """An event was taken by other definitions than it should be."""


@dataclass(frozen=True)
class Installation:
    """A workload with its definitions loaded."""

    size: int
    workload: Workload
    definitions: DefinitionSet


@dataclass(frozen=True)
class Throughput:
    """Events per second of CPU time at one size."""

    from_json: float
    """Parsing the JSON text and matching."""
    from_record: float
    """What ingress does: decoding the record into a checked envelope, its JSON form, matching."""


def load(documents: Sequence[str]) -> list[RegisteredDefinition]:
    """Read definitions from JSON text, as the registry does."""
    return [
        RegisteredDefinition(f"id-{number}", 1, trusted_definition(json.loads(text)))
        for number, text in enumerate(documents)
    ]


def settle() -> None:
    """Keep what is loaded out of the garbage collector's way, as ingress does after a load."""
    gc.collect()
    gc.freeze()


def check_matches(installation: Installation) -> None:
    """Make sure that every event finds exactly the definitions that wait for it.

    Raises:
        WrongMatches: It does not.
    """
    workload = installation.workload
    for value, expected in zip(workload.events, workload.expected, strict=True):
        verdicts = installation.definitions.evaluate(decode(value, HEADERS).to_json_dict(), "events")
        names = [found.registered.definition.name for found in verdicts if isinstance(found, Matched)]
        if len(names) != len(expected) or set(names) != expected:
            raise WrongMatches(f"with {installation.size} definitions: found {names}, expected {sorted(expected)}")


def throughputs(installations: Sequence[Installation], rounds: int) -> dict[int, Throughput]:
    """Measure all sizes in turn, `rounds` times, each round with events of its own."""
    settle()
    seconds: dict[int, tuple[list[float], list[float]]] = {item.size: ([], []) for item in installations}
    for number in range(rounds):
        for item in installations:
            events = item.workload.events[number::rounds]
            from_json, from_record = seconds[item.size]
            from_json.append(_seconds_per_event(_match_json, item.definitions, events))
            from_record.append(_seconds_per_event(_match_record, item.definitions, events))
    return {size: Throughput(1 / median(a), 1 / median(b)) for size, (a, b) in seconds.items()}


def build_seconds(documents: Sequence[str], times: int = 3) -> float:
    """CPU seconds from the stored JSON text to a set that matches; the best of some tries."""
    return min(_seconds(lambda: DefinitionSet(load(documents))) for _ in range(times))


def change_seconds(definitions: DefinitionSet, times: int = 30) -> tuple[float, float]:
    """CPU seconds for a set with one definition replaced, each time another one: the median and the longest."""
    settle()
    registered = definitions.definitions
    replaced = [replace(item, version=2) for item in registered[:: len(registered) // times]]
    seconds = [_seconds(partial(definitions.changed, [item])) for item in replaced]
    return median(seconds), max(seconds)


def one_type_set(documents: Sequence[str]) -> DefinitionSet:
    """The same definitions, but all of one type: the largest part that one change can concern."""
    moved = [json.loads(text) for text in documents]
    for document in moved:
        document["trigger"]["match"]["type"] = ["com.example.one"]
    return DefinitionSet(load([json.dumps(document) for document in moved]))


def bytes_per_definition(documents: Sequence[str]) -> tuple[float, float]:
    """Memory of the definitions themselves, and of the set over them."""
    tracemalloc.start()
    try:
        registered = load(documents)
        loaded, _ = tracemalloc.get_traced_memory()
        definitions = DefinitionSet(registered)
        indexed, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return loaded / len(definitions), (indexed - loaded) / len(definitions)


def _match_json(definitions: DefinitionSet, events: Sequence[bytes]) -> None:
    for value in events:
        definitions.evaluate(json_text.parse(value), "events")


def _match_record(definitions: DefinitionSet, events: Sequence[bytes]) -> None:
    for value in events:
        definitions.evaluate(decode(value, HEADERS).to_json_dict(), "events")


def _seconds_per_event(
    match: Callable[[DefinitionSet, Sequence[bytes]], None], definitions: DefinitionSet, events: Sequence[bytes]
) -> float:
    return _seconds(lambda: match(definitions, events)) / len(events)


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
