"""How results are printed: a table for people, JSON or YAML for programs.

A table is aligned columns, never truncated, one line per row; on a terminal its head and the states are coloured, and
columns that do not fit beside the others go below them.
"""

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
from pydantic_core import to_json, to_jsonable_python
from rich.console import Console
from rich.text import Text

STYLES: Final = {
    "completed": "green",
    "failed": "red",
    "expired": "red",
    "cancelled": "yellow",
    "waiting_for_worker": "yellow",
    "paused": "yellow",
    "started": "green",
    "refused": "yellow",
}
"""Cells that stand out on a terminal."""


INDENT: Final = "    "
"""Before the columns that did not fit beside the first ones."""
LONG_LINE: Final = 1_000_000


class Output(StrEnum):
    """The formats of `-o`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print it.")]


@dataclass(frozen=True)
class Table:
    """Cells as they are read: text only."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def show(output: Output, table: Table, values: Any) -> None:
    """Print to standard output.

    Args:
        output: the format asked for.
        table: what people read.
        values: what programs read: JSON values, dates, models.
    """
    if output is Output.JSON:
        typer.echo(to_json(values, indent=2))
    elif output is Output.YAML:
        typer.echo(yaml_text(values), nl=False)
    elif sys.stdout.isatty():
        console = Console()
        # Soft-wrapped: an id that the terminal breaks can still be copied in one piece.
        console.print(coloured(table, console.width), soft_wrap=True)
    else:
        typer.echo(plain(table))


def yaml_text(values: Any) -> str:
    """The values as YAML: the same plain values as in JSON, with dates as text and no Python tags."""
    from ruamel.yaml import YAML  # noqa: PLC0415 -- most often the output is a table

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # the stub knows only None
    yaml.allow_unicode = True
    yaml.width = LONG_LINE  # a folded id can't be copied
    written = io.StringIO()
    yaml.dump(to_jsonable_python(values), written)
    return written.getvalue()


def plain(table: Table) -> str:
    """Aligned columns without colour or truncation; a line break within a cell becomes a space."""
    return "\n".join("  ".join(line).rstrip() for line in zip(*_columns([table.head, *table.rows]), strict=True))


def coloured(table: Table, width: int) -> Text:
    """The table for a terminal of so many columns.

    Columns keep their order and are aligned. Where they do not fit side by side, the words of their heads go one below
    the other; if that is not enough, a column that does not fit beside those before it begins a new line, in the head
    as in the rows. Such a line is left out of rows that have only dashes there.
    """
    heads = [list(table.head)]
    columns = _columns([*heads, *table.rows])
    if _width(columns) > width:
        stacked = _stacked(table.head)
        narrow = _columns([*stacked, *table.rows])
        if _width(narrow) <= width:
            heads, columns = stacked, narrow
    groups = _fitting([len(column[0]) for column in columns], width)
    lines: list[Text] = []
    for number, cells in enumerate(zip(*columns, strict=True)):
        in_head = number < len(heads)
        for place, group in enumerate(groups):
            shown = [cells[column] for column in group]
            if place == 0 or in_head or any(cell.strip() not in {"", "-"} for cell in shown):
                line = Text(INDENT if place else "") + Text("  ").join(_styled(cell, in_head=in_head) for cell in shown)
                line.rstrip()
                lines.append(line)
    return Text("\n").join(lines)


def _styled(cell: str, *, in_head: bool) -> Text:
    # Text, not markup: a definition's own words must not be read as styles.
    return Text(cell, style="bold" if in_head else STYLES.get(cell.strip(), ""))


def _stacked(head: Sequence[str]) -> list[list[str]]:
    words = [cell.split() for cell in head]
    height = max(map(len, words))
    return [[cell[row - height] if row - height >= -len(cell) else "" for cell in words] for row in range(height)]


def _width(columns: Sequence[Sequence[str]]) -> int:
    return sum(len(column[0]) + 2 for column in columns) - 2


def _fitting(widths: Sequence[int], width: int) -> list[range]:
    """The columns that share each line."""
    groups: list[range] = []
    start, used = 0, 0
    for column, needed in enumerate(widths):
        if column > start and used + needed > width:
            groups.append(range(start, column))
            start, used = column, len(INDENT)
        used += needed + 2
    return [*groups, range(start, len(widths))]


def counted(number: int, noun: str) -> str:
    """`1 record`, `3,000 records`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _columns(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """Column by column, each of one width."""
    columns = [[" ".join(cell.split()) for cell in column] for column in zip(*lines, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    return [[cell.ljust(width) for cell in column] for column, width in zip(columns, widths, strict=True)]
