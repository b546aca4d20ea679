"""How results are printed: a table for people, JSON or YAML for programs.

A table is aligned columns, never truncated, one line per row; on a terminal its head and the states are coloured, and
columns that do not fit beside the others go below them.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
from pydantic_core import to_json, to_jsonable_python
from rich.console import Console
from rich.text import Text
from ruamel.yaml import YAML

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
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # the stub knows only None
        yaml.allow_unicode = True
        yaml.width = LONG_LINE  # a folded id can't be copied
        # The same plain values as in JSON: dates as text, no Python tags.
        yaml.dump(to_jsonable_python(values), sys.stdout)
    elif sys.stdout.isatty():
        console = Console()
        # Soft-wrapped: an id that the terminal breaks can still be copied in one piece.
        console.print(coloured(table, console.width), soft_wrap=True)
    else:
        typer.echo(plain(table))


def plain(table: Table) -> str:
    """Aligned columns without colour or truncation; a line break within a cell becomes a space."""
    return "\n".join("  ".join(line).rstrip() for line in _aligned(table))


def coloured(table: Table, width: int) -> Text:
    """The table for a terminal of so many columns.

    Columns keep their order and are aligned. One that does not fit beside those before it begins a new line, in the
    head as in the rows; such a line is left out of rows that have only dashes there.
    """
    head, *rows = _aligned(table)
    groups = _fitting([len(cell) for cell in head], width)
    lines = [Text(line, style="bold") for line in _folded(head, groups)]
    for row in rows:
        for number, group in enumerate(groups):
            cells = [row[column] for column in group]
            if number == 0 or any(cell.strip() not in {"", "-"} for cell in cells):
                # Text, not markup: a definition's own words must not be read as styles.
                styled = [Text(cell, style=STYLES.get(cell.strip(), "")) for cell in cells]
                lines.append(Text(INDENT if number else "") + Text("  ").join(styled))
    return Text("\n").join(lines)


def _folded(cells: Sequence[str], groups: Sequence[range]) -> list[str]:
    lines = ["  ".join(cells[column] for column in group).rstrip() for group in groups]
    return [lines[0], *(f"{INDENT}{line}" for line in lines[1:])]


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


def _aligned(table: Table) -> list[list[str]]:
    lines = [[" ".join(cell.split()) for cell in row] for row in (table.head, *table.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.head))]
    return [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
