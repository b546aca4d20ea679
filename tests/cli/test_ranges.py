"""Ranges and coordinates that can't be meant are refused before anything is asked or done."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from taskfactory.cli.errors import BadInput
from taskfactory.cli.main import app
from taskfactory.cli.topic_options import between
from taskfactory.intake.positions import AtOffset, AtTime

REFUSED = "the range ends before it begins, so nothing is in it; exchange them"


def test_a_range_is_two_positions() -> None:
    start, end = between("7d", "12")
    assert isinstance(start, AtTime)
    assert timedelta(days=7) <= datetime.now(UTC) - start.time < timedelta(days=7, minutes=1)
    assert end == AtOffset(12)


@pytest.mark.parametrize(("start", "end"), [("yesterday", "latest"), ("earliest", "yesterday")])
def test_the_option_that_is_no_position_is_named(start: str, end: str) -> None:
    with pytest.raises(BadInput) as refused:
        between(start, end)
    assert str(refused.value).startswith(f"--{'from' if start == 'yesterday' else 'to'}: found 'yesterday'; allowed")


@pytest.mark.parametrize(("start", "end"), [("9", "3"), ("1h", "2h"), ("latest", "earliest")])
@pytest.mark.parametrize("command", ["audit", "replay", "backtest"])
def test_a_range_that_ends_before_it_begins_is_refused(tmp_path: Path, command: str, start: str, end: str) -> None:
    file = tmp_path / "draft.yaml"
    file.write_text(
        "{apiVersion: taskfactory/v1, kind: ActivityDefinition, name: d, trigger: {type: event, match: {type: [t]}}, "
        "tasks: [{name: n, type: activity, handler: h, queue: q}]}"
    )
    options = {
        "audit": ["--from", start, "--to", end],
        "replay": ["-D", "d", "--from", start, "--to", end],
        "backtest": ["-f", str(file), "--since", start, "--until", end],
    }[command]
    ended = CliRunner().invoke(app, [command, "--topic", "t", *options])
    assert (ended.exit_code, REFUSED in ended.stderr, f"{start} " in ended.stderr) == (2, True, True), ended.stderr


@pytest.mark.parametrize("command", [["dlq", "list"], ["explain", "--topic", "t", "--partition", "0"]])
@pytest.mark.parametrize(("option", "limit"), [("--offset", 2**63), ("--partition", 2**31)])
def test_coordinates_that_kafka_can_not_have_are_refused(command: list[str], option: str, limit: int) -> None:
    ended = CliRunner().invoke(app, [*command, option, str(limit)])
    assert (ended.exit_code, f"'{option}'" in ended.stderr, str(limit - 1) in ended.stderr) == (2, True, True)
