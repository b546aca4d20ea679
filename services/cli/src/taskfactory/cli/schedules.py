"""`taskfactory schedules`: definitions with a cron trigger, and their ticks."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from taskfactory.cli.api_client import Api, admin_api, path_of
from taskfactory.cli.consent import require_consent
from taskfactory.cli.describe import describe_schedule
from taskfactory.cli.exit_status import ExitStatus
from taskfactory.cli.options import (
    Because,
    DefinitionArgument,
    DefinitionsArgument,
    DryRun,
    Why,
    Yes,
    moment_of,
    per_second,
)
from taskfactory.cli.output import Output, OutputOption, Table, counted, show
from taskfactory.cli.schedule_tables import backfill_table, next_table, schedules_table
from taskfactory.cli.telling import telling

WAITS: Final = "it waits for the runs before it; `taskfactory schedules show` says when it fired"
SKIPPED: Final = {
    "overlap": "--ignore-overlap starts it beside open runs",
    "disabled": "`taskfactory enable` it first",
}
"""What helps against a reason of a skip, where something does."""
PENDING: Final = "nobody has decided about it yet: is the orchestrator running?"

app = typer.Typer(
    name="schedules",
    help="List schedules, hold them, fire them and fill in what they missed.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def schedules() -> None:
    """List schedules, hold them, fire them and fill in what they missed."""


@app.command("list")
def list_schedules(
    state: Annotated[str | None, typer.Option("--state", help="Only in this state.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List definitions that fire by schedule, with their next and latest tick."""
    with admin_api() as api:
        rows = list(api.pages(path_of("schedules"), None, state=state))
    show(output, schedules_table(rows), rows)
    if not rows:
        typer.echo("No schedules: definitions with a cron trigger have one.", err=True)


@app.command("show")
def show_schedule(name: DefinitionArgument, output: OutputOption = Output.TABLE) -> None:
    """Show a schedule with its latest ticks and the next ones."""
    describe_schedule(name, output)


@app.command("next")
def next_ticks(
    name: DefinitionArgument,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="So many.")] = 10,
    after: Annotated[str | None, typer.Option("--after", help="Later than this time; default: now.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say when a schedule fires next, exactly as Temporal will."""
    begin = moment_of("--after", after, datetime.now(UTC))
    with admin_api() as api:
        found = api.get(path_of("schedules", name, "next"), count=count, **{"from": begin})
    show(output, next_table(found), found)
    if found["source"] == "calendar":
        typer.echo("Temporal has no schedule of it yet: computed by our own calendar, without jitter.", err=True)


@app.command()
def pause(names: DefinitionsArgument, because: Because = None, output: OutputOption = Output.TABLE) -> None:
    """Let the ticks of schedules pass: each is recorded as skipped. The same as `taskfactory pause`."""
    with telling(output) as tell, admin_api() as api:
        for name in dict.fromkeys(names):
            tell(f"paused {name}", _set_paused(api, name, "pause", because))


@app.command()
def resume(names: DefinitionsArgument, because: Because = None, output: OutputOption = Output.TABLE) -> None:
    """Let schedules fire again, from the next tick on; `backfill` makes up for those that passed."""
    with telling(output) as tell, admin_api() as api:
        for name in dict.fromkeys(names):
            tell(f"resumed {name}", _set_paused(api, name, "resume", because))


@app.command()
def trigger(
    name: DefinitionArgument,
    because: Why,
    *,
    ignore_overlap: Annotated[
        bool, typer.Option("--ignore-overlap", help="Run beside open runs, whatever the overlap policy says.")
    ] = False,
    key: Annotated[
        str | None,
        typer.Option("--idempotency-key", help="Once for each, however often it is asked; default: a new one."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Fire a schedule now, also one that is paused. Exit status 4 when the tick was skipped."""
    body = {"reason": because, "respect_overlap": not ignore_overlap}
    with admin_api() as api:
        # Not the request's own key alone: whoever repeats the command by hand means this one.
        done = api.post(path_of("schedules", name, "trigger"), body, key=key or str(uuid.uuid4())).value
    if output is not Output.TABLE:
        show(output, Table((), ()), done)
    else:
        typer.echo(f"{name}: {_triggered(done)}")
    if done["result"] == "skipped":
        raise typer.Exit(ExitStatus.CONFLICT)


@app.command()
def backfill(  # noqa: PLR0913 -- one parameter per option
    name: DefinitionArgument,
    because: Why,
    start: Annotated[
        str,
        typer.Option(
            "--from", "--since", help="The first tick: 7d back from now, or a time such as 2026-11-20T09:00:00Z."
        ),
    ],
    end: Annotated[
        str | None, typer.Option("--to", "--until", help="The last tick, as for --from; default: now.")
    ] = None,
    *,
    rate: Annotated[str, typer.Option("--rate", metavar="N/s", help="Ticks asked for per second at most.")] = "20/s",
    dry_run: DryRun = False,
    yes: Yes = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Start what a schedule left out in a range of the past: ticks that have no run, whatever the reason was.

    Nothing is started twice, however often it is called. Unless all may run at once, the runs come one after the other.
    """
    now = datetime.now(UTC)
    first, last = moment_of("--from", start, now), moment_of("--to", end, now) or now
    body = {
        "from": None if first is None else first.isoformat(),
        "to": last.isoformat(),
        "reason": because,
        "rate": per_second(rate),
    }
    path = path_of("schedules", name, "backfill")
    with admin_api() as api:
        found = api.question(path, body | {"dry_run": True})
        missing = found["counts"].get("would_ask", 0)
        require_consent(f"{counted(missing, 'tick')} would be made up for", missing, given=yes or dry_run)
        if missing and not dry_run:
            found = api.post(path, body).value
    show(output, backfill_table(found["items"]), found)
    summary = ", ".join(f"{number:,} {result.replace('_', ' ')}" for result, number in found["counts"].items())
    typer.echo(summary or "no tick lies in this range", err=output is not Output.TABLE)


def _set_paused(api: Api, name: str, verb: str, because: str | None) -> Any:
    path = path_of("schedules", name)
    standing = api.ask("GET", path)
    return api.post(f"{path}/{verb}", {"reason": because}, etag=standing.etag).value


def _triggered(done: Mapping[str, Any]) -> str:
    match done["result"]:
        case "started":
            return f"started {done['run_id']}"
        case "skipped":
            advice = SKIPPED.get(done["reason"])
            return f"skipped: {done['reason']}{f'; {advice}' if advice else ''}"
        case "waiting":
            return WAITS
        case _:
            return PENDING
