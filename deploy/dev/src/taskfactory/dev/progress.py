"""Telling what happens while the stack comes up: a live display on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import Progress as RichBars
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Progress(Protocol):
    """Listens to what happens; called from several threads."""

    def begin(self, part: str, doing: str) -> None:
        """A part's next step begins, which ends the one before."""

    def done(self, part: str, result: str) -> None:
        """A part is finished."""


class Silent:
    """Says nothing."""

    def begin(self, part: str, doing: str) -> None:
        """Say nothing."""

    def done(self, part: str, result: str) -> None:
        """Say nothing."""


class Live:
    """One line per part with a spinner and the seconds of the step."""

    def __init__(self, bars: RichBars) -> None:
        self._bars = bars
        self._lines: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def begin(self, part: str, doing: str) -> None:
        """Start the part's line anew."""
        with self._lock:
            if part not in self._lines:
                self._lines[part] = self._bars.add_task("", total=1, part=part)
            self._bars.reset(self._lines[part], description=doing, part=part)

    def done(self, part: str, result: str) -> None:
        """Finish the part's line."""
        self.begin(part, result)
        self._bars.update(self._lines[part], completed=1)


class Plain:
    """A line per step, and one more every few seconds while it lasts."""

    def __init__(self, console: Console, every: float = 20.0) -> None:
        self._console = console
        self._every = every
        self._open: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()

    def begin(self, part: str, doing: str) -> None:
        """Print the step."""
        with self._lock:
            self._open[part] = (doing, time.monotonic())
        self._print(part, doing)

    def done(self, part: str, result: str) -> None:
        """Print the result."""
        with self._lock:
            self._open.pop(part, None)
        self._print(part, result)

    @contextmanager
    def reminding(self) -> Iterator[None]:
        """Repeat open steps from a thread until the block ends."""
        thread = threading.Thread(target=self._remind, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _remind(self) -> None:
        while not self._over.wait(self._every):
            with self._lock:
                late = [
                    (part, doing, seconds)
                    for part, (doing, since) in self._open.items()
                    if (seconds := time.monotonic() - since) >= self._every
                ]
            for part, doing, seconds in late:
                self._print(part, f"{doing} ({seconds:.0f} s so far)")

    def _print(self, part: str, text: str) -> None:
        self._console.print(f"{part:<16} {text}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def shown(console: Console) -> Iterator[Progress]:
    """Show progress on the console in the form that it can take."""
    if console.is_terminal:
        columns = (
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.fields[part]:<16}"),
            TextColumn("{task.description}"),
        )
        with RichBars(*columns, TimeElapsedColumn(), console=console) as bars:
            yield Live(bars)
    else:
        plain = Plain(console)
        with plain.reminding():
            yield plain
