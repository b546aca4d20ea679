"""How far a long command is: a bar on a terminal, elsewhere a line now and then; on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_SECONDS: Final = 5.0
"""Between two lines where there is no terminal."""

Report = Callable[[int, int], None]
"""Told how much is done, and of how much; from any thread."""


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """Show progress until the block ends.

    Args:
        what: is counted, `records read`.
    """
    if not sys.stderr.isatty():
        yield _lines(what, time.monotonic)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(what: str, clock: Callable[[], float]) -> Report:
    due = clock() + LINE_SECONDS

    def report(done: int, total: int) -> None:
        nonlocal due
        if clock() >= due:
            due = clock() + LINE_SECONDS
            typer.echo(f"{done:,} of {total:,} {what}", err=True)

    return report
