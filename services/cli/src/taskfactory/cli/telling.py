"""What a verb does to several things, as it is done: a line for each to people, all values at the end to programs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from taskfactory.cli.output import Output, Table, show

Tell = Callable[[str, Any], None]


@contextmanager
def telling(output: Output) -> Iterator[Tell]:
    """Take the line and the value of each thing that is done, within the block.

    Programs get what was done before something was refused, too.
    """
    values: list[Any] = []

    def tell(line: str, value: Any) -> None:
        values.append(value)
        if output is Output.TABLE:
            typer.echo(line)

    try:
        yield tell
    finally:
        show_value(output, values)


def show_value(output: Output, value: Any) -> None:
    """Print an answer for programs; people have been told in words."""
    if output is not Output.TABLE:
        show(output, Table((), ()), value)
