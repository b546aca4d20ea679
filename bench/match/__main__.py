"""`make bench-match`: measure, print, and exit with 1 when a target is missed or a match is wrong."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from statistics import fmean
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.match.measure import (
    Installation,
    Throughput,
    WrongMatches,
    build_seconds,
    bytes_per_definition,
    change_seconds,
    check_matches,
    load,
    one_type_set,
    throughputs,
)
from bench.match.targets import LARGE, SMALL, USUAL, Figures, missed
from bench.match.workload import SEED, SHARES, generate
from taskfactory.definitions import DefinitionSet

SIZES: Final = (1, SMALL, USUAL, LARGE)
COLUMNS: Final = (
    "definitions",
    "types",
    "matches per event",
    "near misses per event",
    "fields asked about",
    "bytes per event",
    "JSON + match",
    "record + match",
)


def main() -> int:
    """Run the benchmark."""
    arguments = _arguments()
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"seed {arguments.seed}; machine load before: {_load()}; CPU time of one process, medians")
    shares = ", ".join(f"{name} {share} %" for name, share in SHARES.items())
    console.print(f"conditions beside the exact type: {shares}; the tail (3 %) names a type only")
    began = time.monotonic()
    documents = generate(USUAL, 0, arguments.seed).documents
    build = build_seconds(documents)
    changes = change_seconds(DefinitionSet(load(documents)))
    one_type_changes = change_seconds(one_type_set(documents))
    definition_bytes, set_bytes = bytes_per_definition(documents)
    console.print(
        f"{USUAL:,} definitions: built from stored JSON in {build:.2f} s; one changed in {1000 * changes[0]:.1f} ms "
        f"(longest {1000 * changes[1]:.1f} ms), {1000 * one_type_changes[0]:.1f} ms where all have one type; "
        f"{definition_bytes / 1024:.1f} KiB each, and {set_bytes / 1024:.1f} KiB each for the set over them"
    )
    installations = []
    for size in SIZES:
        workload = generate(size, arguments.events, arguments.seed)
        installation = Installation(size, workload, DefinitionSet(load(workload.documents)))
        try:
            check_matches(installation)
        except WrongMatches as wrong:
            console.print(f"WRONG: {wrong}", style="bold red")
            return 1
        installations.append(installation)
    measured = throughputs(installations, arguments.rounds)
    console.print(_table(installations, measured))
    figures = Figures(measured, build, changes[1], one_type_changes[0])
    for name, number in (("JSON + match", "from_json"), ("record + match", "from_record")):
        small, large = (getattr(measured[size], number) for size in (SMALL, LARGE))
        console.print(f"{name}: {large / small:.0%} of the throughput at {SMALL:,} is left at {LARGE:,} definitions")
    misses = missed(figures)
    for sentence in misses:
        console.print(f"MISSED: {sentence}", style="bold red")
    verdict = f"{len(misses)} targets missed" if misses else "all targets met"
    console.print(f"{verdict}, in {time.monotonic() - began:.0f} s; machine load after: {_load()}")
    return 1 if misses else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.match", description="Match events against definitions.")
    parser.add_argument("--events", type=int, default=6_600, help="distinct events at each size")
    parser.add_argument("--rounds", type=int, default=11, help="rounds over all sizes; each takes its own events")
    parser.add_argument("--seed", type=int, default=SEED)
    return parser.parse_args()


def _table(installations: Sequence[Installation], measured: dict[int, Throughput]) -> Table:
    table = Table(title="events per second on one core")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for item in installations:
        events, expected = item.workload.events, item.workload.expected
        table.add_row(
            f"{item.size:,}",
            f"{item.workload.types:,}",
            f"{fmean(map(len, expected)):.2f}",
            f"{fmean(item.workload.near_misses):.2f}",
            f"{fmean(item.workload.fields):.1f}",
            f"{fmean(map(len, events)):.0f}",
            f"{measured[item.size].from_json:,.0f}",
            f"{measured[item.size].from_record:,.0f}",
        )
    return table


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


if __name__ == "__main__":
    sys.exit(main())
