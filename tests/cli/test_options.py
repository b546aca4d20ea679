"""What the options that several commands share mean, and what is said of those that mean nothing."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from taskfactory.cli.alike import did_you_mean
from taskfactory.cli.consent import FEW, require_consent
from taskfactory.cli.errors import BadInput
from taskfactory.cli.main import OWN_COMMANDS, app
from taskfactory.cli.options import moments, per_second
from taskfactory.cli.plugins import resolve
from taskfactory.cli.topic_options import between
from taskfactory.intake import AtOffset, AtTime, Latest

DEFINITIONS = Path(__file__).parents[2] / "examples" / "shop" / "definitions"
MEANINGS = {
    "-D": "--definition",
    "-t": "--topic",
    "-p": "--partition",
    "-o": "--output",
    "-f": "--file",
    "-y": "--yes",
    "-e": "--event",
    "-k": "--key",
    "-h": "--help",
}


@given(st.floats(0.01, 10_000).map(lambda rate: f"{rate:.2f}"), st.sampled_from(["", "/s"]))
def test_a_rate_is_a_number_per_second(number: str, unit: str) -> None:
    assert per_second(number + unit) == float(number)


@pytest.mark.parametrize("rate", ["0", "0.0/s", "-1", "5/m", "", "fast", "inf", "nan"])
def test_another_rate_is_told_with_what_is_allowed(rate: str) -> None:
    with pytest.raises(BadInput, match=r"--rate: found .*; allowed is a number per second above 0"):
        per_second(rate)


def test_positions_and_moments_are_told_by_the_option_that_is_wrong() -> None:
    assert between("12", "latest") == (AtOffset(12), Latest())
    assert isinstance(between("7d", "latest")[0], AtTime)
    with pytest.raises(BadInput, match=r"^--to: found 'x'; allowed are earliest"):
        between("earliest", "x")
    assert moments(None, "2026-11-20T09:00:00Z") == (None, datetime(2026, 11, 20, 9, tzinfo=UTC))
    with pytest.raises(BadInput, match=r"^--until: found 'latest'; allowed are a duration"):
        moments("7d", "latest")


def test_a_few_want_no_consent_and_many_are_not_done_where_nobody_can_be_asked() -> None:
    require_consent("It would be done", FEW, given=False)
    require_consent("It would be done", FEW + 1, given=True)
    with pytest.raises(BadInput, match=r"^It would be done; add --yes to do it, or --dry-run"):
        require_consent("It would be done", FEW + 1, given=False)


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    assert did_you_mean("order-fulfilmnt", ["low-stock", "order-fulfilment"]) == " (did you mean 'order-fulfilment'?)"
    assert did_you_mean("zzz", ["low-stock", "order-fulfilment"]) == ""


@pytest.mark.parametrize("command", [["audit"], ["replay", "-D", "x"], ["backtest", "-f", str(DEFINITIONS)]])
@pytest.mark.parametrize(("first", "last"), [("--from", "--to"), ("--since", "--until")])
def test_history_is_bounded_by_from_and_to_or_by_since_and_until(command: list[str], first: str, last: str) -> None:
    ended = CliRunner().invoke(app, [*command, "-t", "x", first, "7d", last, "nowhere"])
    assert (ended.exit_code, ended.stderr[:23]) == (2, "--to: found 'nowhere'; ")


def test_a_disk_that_is_full_is_told_in_a_sentence() -> None:
    command = [str(Path(sys.executable).with_name("taskfactory")), "config"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "The output could not be written: No space left on device.\n")


def _commands() -> Iterator[tuple[str, typer.core.TyperCommand]]:
    for name, (target, _) in OWN_COMMANDS.items():
        found = resolve(target)
        if isinstance(found, typer.Typer):
            group = typer.main.get_command(found)
            assert isinstance(group, typer.core.TyperGroup)
            yield from ((f"{name} {each}", command) for each, command in group.commands.items())  # type: ignore[misc]
            continue
        single = typer.Typer(add_completion=False)
        single.command(name)(found)
        yield name, typer.main.get_command(single)  # type: ignore[misc]


def test_a_short_option_means_the_same_in_every_command() -> None:
    seen = set()
    for name, command in _commands():
        for parameter in command.params:
            names = [*parameter.opts, *parameter.secondary_opts]
            for short in (each for each in names if len(each) == 2 and each.startswith("-")):
                assert MEANINGS[short] in names, f"{name} {short}"
                seen.add(short)
            for long in MEANINGS.values():
                if long in names and long != "--help":
                    assert {short for short, means in MEANINGS.items() if means == long} <= set(names), f"{name} {long}"
    assert seen >= {"-D", "-t", "-p", "-o", "-f", "-y"}
