"""How results are printed: a table for people, JSON or YAML for programs.

A table is aligned columns, never truncated, one line per row; on a terminal its head and the states are coloured.
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
        # The same plain values as in JSON: dates as text, no Python tags.
        yaml.dump(to_jsonable_python(values), sys.stdout)
    elif sys.stdout.isatty():
        # Soft-wrapped: an id that the terminal breaks can still be copied in one piece.
        Console().print(_coloured(table), soft_wrap=True)
    else:
        typer.echo(plain(table))


def plain(table: Table) -> str:
    """Aligned columns without colour or truncation; a line break within a cell becomes a space."""
    return "\n".join("  ".join(line).rstrip() for line in _aligned(table))


def _coloured(table: Table) -> Text:
    head, *rows = _aligned(table)
    lines = [Text("  ".join(head), style="bold")]
    # Text, not markup: a definition's own words must not be read as styles.
    lines += [Text("  ").join(Text(cell, style=STYLES.get(cell.strip(), "")) for cell in row) for row in rows]
    return Text("\n").join(lines)


def _aligned(table: Table) -> list[list[str]]:
    lines = [[" ".join(cell.split()) for cell in row] for row in (table.head, *table.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.head))]
    return [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
