"""Tables for people, JSON and YAML for programs."""

import json
from datetime import UTC, datetime

import pytest
from ruamel.yaml import YAML

from taskfactory.cli.output import Output, Table, coloured, counted, plain, show

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
    shown = coloured(Table(("STATE", "REASON"), [("failed", "[bold]no[/bold] stock")]), 80)
    assert shown.plain.splitlines()[1].rstrip() == "failed  [bold]no[/bold] stock"
    assert [(span.start, span.end, span.style) for span in shown.spans if span.style == "red"] == [(15, 21, "red")]


WIDE = Table(
    ("STATE", "DEFINITION", "RUN", "REASON"),
    [("failed", "orders@1", "activity-" + "x" * 40, "sold out"), ("completed", "o@2", "activity-y", "-")],
)


def test_columns_that_a_narrow_terminal_has_no_room_for_go_below() -> None:
    assert coloured(WIDE, 60).plain.splitlines() == [
        "STATE      DEFINITION",
        "    RUN",
        "    REASON",
        "failed     orders@1",
        "    activity-" + "x" * 40,
        "    sold out",
        "completed  o@2",
        "    activity-y",
    ]


def test_heads_of_several_words_are_stacked_before_columns_go_below() -> None:
    table = Table(("DEFINITION", "ALREADY STARTED", "DEAD LETTERED"), [("orders", "1", "-")])
    assert coloured(table, 30).plain.splitlines() == [
        "            ALREADY  DEAD",
        "DEFINITION  STARTED  LETTERED",
        "orders      1        -",
    ]


def test_a_terminal_that_is_wide_enough_shows_the_table_as_a_pipe_gets_it() -> None:
    assert coloured(WIDE, 200).plain == plain(WIDE)


def test_a_cell_longer_than_the_terminal_stays_in_one_piece() -> None:
    assert "x" * 300 in coloured(Table(("ID", "MESSAGE"), [("1", "x" * 300)]), 80).plain


def test_one_is_singular() -> None:
    assert (counted(1, "record"), counted(0, "record"), counted(3000, "record")) == (
        "1 record",
        "0 records",
        "3,000 records",
    )


def test_a_table_without_rows_is_its_head() -> None:
    assert plain(Table(("NAME", "REASON"), [])) == "NAME  REASON"


def test_programs_read_the_same_values_from_json_and_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    show(Output.JSON, TABLE, VALUES)
    assert json.loads(capsys.readouterr().out) == JSON
    show(Output.YAML, TABLE, VALUES)
    text = capsys.readouterr().out
    assert YAML(typ="safe").load(text) == JSON
    assert text.index("name:") < text.index("at:") < text.index("b:") < text.index("a:\n")
