"""Progress is a line per step where nobody watches a terminal."""

import io
import threading

from rich.console import Console

from taskfactory.dev.progress import Plain, shown


def test_each_step_is_a_line() -> None:
    out = io.StringIO()
    with shown(Console(file=out)) as progress:
        progress.begin("kafka", "fetching [jars]")
        progress.done("kafka", "up")
    assert out.getvalue().splitlines() == ["kafka            fetching [jars]", "kafka            up"]


class Listening(io.StringIO):
    """Notices a repeated step."""

    def __init__(self) -> None:
        super().__init__()
        self.repeated = threading.Event()

    def write(self, text: str) -> int:
        if "so far" in text:
            self.repeated.set()
        return super().write(text)


def test_a_slow_step_is_repeated_with_its_seconds() -> None:
    out = Listening()
    plain = Plain(Console(file=out), every=0.01)
    with plain.reminding():
        plain.begin("temporal", "building")
        assert out.repeated.wait(10)
    assert "temporal         building (0 s so far)" in out.getvalue()


def test_a_finished_step_is_not_repeated() -> None:
    out = Listening()
    plain = Plain(Console(file=out), every=0.01)
    with plain.reminding():
        plain.begin("kafka", "starting")
        plain.done("kafka", "up")
        plain.begin("temporal", "building")
        assert out.repeated.wait(10)
    assert out.getvalue().count("kafka") == 2


def test_a_terminal_shows_one_line_per_part() -> None:
    out = io.StringIO()
    with shown(Console(file=out, force_terminal=True, width=100)) as progress:
        progress.begin("kafka", "starting")
        progress.done("kafka", "up on 127.0.0.1:1")
    assert "up on 127.0.0.1:1" in out.getvalue()
