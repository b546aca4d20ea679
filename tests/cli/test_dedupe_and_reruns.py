"""`taskfactory dedupe` and `taskfactory runs`: what their options mean, and what their tables say."""

from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from taskfactory.cli.dedupe import generations_table, key_from
from taskfactory.cli.errors import BadInput
from taskfactory.cli.main import app
from taskfactory.cli.reruns import reruns_table, summary
from taskfactory.definitions import DedupeKey
from taskfactory.envelope import Trigger
from taskfactory.intake import Rerun
from taskfactory.registry import GenerationRow, PastRun

AT = datetime(2026, 1, 1, tzinfo=UTC)
RUN = PastRun(
    run_id="activity-a-k",
    activity_id="a",
    activity_name="orders",
    version=3,
    generation=1,
    state="failed",
    trigger=Trigger(source="/shop", id="1", type="order"),
    started_at=AT,
    ended_at=AT,
)


@pytest.mark.parametrize(
    ("strategy", "parts", "value", "key"),
    [
        ("event_id", ["/shop", "7"], None, ("/shop", "7")),
        ("subject", ["order 7"], None, ("order 7",)),
        ("expression", ["7"], None, ("7",)),
        ("expression", [], "7", (7,)),
        ("expression", [], '["/shop", {"a": null}]', (["/shop", {"a": None}],)),
    ],
)
def test_a_key_is_given_by_its_parts(strategy: str, parts: list[str], value: str | None, key: tuple[object]) -> None:
    assert key_from(strategy, parts, value) == DedupeKey(strategy, key)


@pytest.mark.parametrize("value", ['{"a":NaN}', "-Infinity", "1e999", "{"])
def test_a_key_that_is_no_json_is_bad_input(value: str) -> None:
    with pytest.raises(BadInput) as refused:
        key_from("expression", [], value)
    assert str(refused.value).startswith(f"--key-json {value}: ")
    assert str(refused.value).endswith("; allowed is a JSON value, such as 17")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say which runs: RUN... by id, or --failed (with --since, --until, --definition), or --run ID"),
        (["--failed", "--since", "soon"], "--since: found 'soon'; allowed are a duration back from now such as 2h"),
        (["--failed", "--until", "2026-01-01"], "--until: found '2026-01-01'; allowed are "),
        (["--failed", "--rate", "0"], "--rate: found '0'; allowed is a number per second above 0"),
        (["--failed", "--rate", "5/m"], "--rate: found '5/m'; allowed is "),
    ],
)
def test_a_selection_that_says_nothing_is_refused(arguments: list[str], said: str) -> None:
    ended = CliRunner().invoke(app, ["runs", "rerun", *arguments])
    assert ended.exit_code == 2
    assert said in ended.stderr


def test_each_failed_run_has_a_line_and_all_of_them_a_summary() -> None:
    done = [
        Rerun(RUN, "started", "activity-a-k-g2", 4),
        Rerun(RUN, "newer", "activity-a-k-g2", note="its key has fired again since: that run is completed"),
        Rerun(RUN, "gone", note="Temporal has forgotten the run, and there is no topic 'orders'"),
    ]
    table = reruns_table(done, ["activity-x"])
    assert [row[0] for row in table.rows] == ["started", "skipped", "gone", "unknown"]
    assert table.rows[0][1:4] == ("orders@4", "activity-a-k", "activity-a-k-g2")
    assert summary(done, 1) == "1 started, 1 skipped, 1 gone, 1 unknown"
    assert summary([], 0) == "no failed run fits"


def test_a_generation_says_who_opened_it_and_for_what() -> None:
    first = GenerationRow(1, None, None, None, None, 0, None, "activity-a-k", "failed")
    released = GenerationRow(2, "me", AT, "the flood", None, 3, AT, None, None)
    rerun = GenerationRow(3, "me", AT, None, "activity-a-k", 0, None, "activity-a-k-g3", "running")
    cells = [
        dict(zip(generations_table([]).head, row, strict=True))
        for row in generations_table([first, released, rerun]).rows
    ]
    assert [cell["FOR"] for cell in cells] == ["-", "the next event", "activity-a-k"]
    assert [cell["WINDOWS"] for cell in cells] == ["-", "3", "-"]
    assert (cells[0]["RUN"], cells[0]["STATE"], cells[1]["REASON"]) == ("activity-a-k", "failed", "the flood")
