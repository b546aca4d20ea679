"""What the demo shows: progress while it runs, the table at its end."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from examples.shop.verdict import Row, Verdict

PLAIN_SECONDS: Final = 3.0
SHOWN_AT_MOST: Final = 10


class Display(Protocol):
    """Told how far things are, as often as one likes."""

    def show(self, done: Mapping[str, tuple[int, int]]) -> None:
        """Show how many there are of how many, by name."""


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._ids = {task.description: task.id for task in bars.tasks}

    def show(self, done: Mapping[str, tuple[int, int]]) -> None:
        for name, (there, wanted) in done.items():
            if name not in self._ids:
                self._ids[name] = self._bars.add_task(name, total=wanted)
            self._bars.update(self._ids[name], completed=there, total=wanted)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._since = self._next = time.monotonic()
        self._last = ""

    def show(self, done: Mapping[str, tuple[int, int]]) -> None:
        line = "  ".join(f"{name} {there}/{wanted}" for name, (there, wanted) in done.items())
        now = time.monotonic()
        complete = all(there >= wanted for there, wanted in done.values())
        if line != self._last and (now >= self._next or complete):
            self._console.print(f"{now - self._since:5.1f} s  {line}", highlight=False, soft_wrap=True)
            self._last, self._next = line, now + PLAIN_SECONDS


@contextmanager
def display(console: Console) -> Iterator[Display]:
    """Bars on a terminal, now and then a line elsewhere."""
    if console.is_terminal:
        columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as bars:
            yield _Bars(bars)
    else:
        yield _Lines(console)


def print_verdict(console: Console, verdict: Verdict) -> None:
    """Print the table, and below it what is wrong."""
    console.print(_table(verdict.rows))
    for title, sentences in (
        ("lost", verdict.lost),
        ("done twice", verdict.twice),
        ("not expected", verdict.surprises),
    ):
        _print_list(console, title, sentences)


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("found", justify="right")
    table.add_column("expected", justify="right", no_wrap=True)
    table.add_column("read from", style="dim")
    for row in rows:
        style = "bold red" if row.wrong else None
        expected = "any" if row.expected is None else f"{row.expected}{' or more' if row.or_more else ''}"
        table.add_row(row.what, str(row.found), expected, row.source, style=style)
    return table


def _print_list(console: Console, title: str, sentences: Sequence[str]) -> None:
    for sentence in sentences[:SHOWN_AT_MOST]:
        console.print(f"{title}: {sentence}", style="red", markup=False, highlight=False, soft_wrap=True)
    if len(sentences) > SHOWN_AT_MOST:
        console.print(f"{title}: and {len(sentences) - SHOWN_AT_MOST} more", style="red")
