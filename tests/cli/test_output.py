"""Tables for people, JSON and YAML for programs."""

import json
from datetime import UTC, datetime

import pytest
from ruamel.yaml import YAML

from taskfactory.cli.output import Output, Table, _coloured, plain, show

TABLE = Table(("NAME", "REASON"), [("short", "-"), ("much-longer", "two\n  lines [bold]here[/bold]")])
VALUES = [{"name": "Jürgen", "at": datetime(2026, 11, 23, 9, tzinfo=UTC), "none": None, "nested": {"b": 1, "a": [2]}}]
JSON = [{"name": "Jürgen", "at": "2026-11-23T09:00:00Z", "none": None, "nested": {"b": 1, "a": [2]}}]


def test_a_piped_table_is_aligned_and_one_line_per_row() -> None:
    assert plain(TABLE).splitlines() == [
        "NAME         REASON",
        "short        -",
        "much-longer  two lines [bold]here[/bold]",
    ]


def test_on_a_terminal_the_same_text_is_coloured_and_not_read_as_markup() -> None:
    coloured = _coloured(Table(("STATE", "REASON"), [("failed", "[bold]no[/bold] stock")]))
    assert coloured.plain.splitlines()[1].rstrip() == "failed  [bold]no[/bold] stock"
    assert [(span.start, span.end, span.style) for span in coloured.spans if span.style == "red"] == [(30, 36, "red")]


def test_a_table_without_rows_is_its_head() -> None:
    assert plain(Table(("NAME", "REASON"), [])) == "NAME  REASON"


def test_programs_read_the_same_values_from_json_and_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    show(Output.JSON, TABLE, VALUES)
    assert json.loads(capsys.readouterr().out) == JSON
    show(Output.YAML, TABLE, VALUES)
    text = capsys.readouterr().out
    assert YAML(typ="safe").load(text) == JSON
    assert text.index("name:") < text.index("at:") < text.index("b:") < text.index("a:\n")
