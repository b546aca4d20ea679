"""What the benchmark's figures must be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.match.measure import Throughput

SMALL: Final = 100
USUAL: Final = 10_000
LARGE: Final = 100_000

KEPT_AT_LARGE: Final = 0.70
"""Share of the throughput at 100 definitions that must be left at 100,000."""
EVENTS_PER_SECOND: Final = 25_000
"""At 10,000 definitions, JSON decoding included."""
BUILD_SECONDS: Final = 2.0
"""From stored JSON to a set of 10,000 definitions."""

CHANGE_SECONDS: Final = 0.05
"""For one change of 10,000 definitions."""


@dataclass(frozen=True)
class Figures:
    """What was measured."""

    throughput: Mapping[int, Throughput]
    build_seconds: float
    change_seconds: float
    """The longest of all tries."""
    one_type_change_seconds: float
    """The median, where all definitions have one type."""


def missed(figures: Figures) -> list[str]:
    """A sentence for every target that was missed."""
    sentences = []
    small, usual, large = (figures.throughput[size].from_json for size in (SMALL, USUAL, LARGE))
    if large < KEPT_AT_LARGE * small:
        sentences.append(
            f"{large / small:.0%} of the throughput is left at {LARGE:,}; the target is {KEPT_AT_LARGE:.0%}"
        )
    if usual < EVENTS_PER_SECOND:
        sentences.append(f"{usual:,.0f} events/s at {USUAL:,} definitions; the target is {EVENTS_PER_SECOND:,}")
    if figures.build_seconds > BUILD_SECONDS:
        sentences.append(f"{figures.build_seconds:.2f} s to build {USUAL:,}; the target is {BUILD_SECONDS:.0f} s")
    if figures.change_seconds > CHANGE_SECONDS:
        sentences.append(
            f"{1000 * figures.change_seconds:.0f} ms for one change; the target is {CHANGE_SECONDS * 1000:.0f} ms"
        )
    if figures.one_type_change_seconds > CHANGE_SECONDS:
        sentences.append(
            f"{1000 * figures.one_type_change_seconds:.0f} ms for one change where all have one type; the target is "
            f"{CHANGE_SECONDS * 1000:.0f} ms"
        )
    return sentences
