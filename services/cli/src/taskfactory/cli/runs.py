"""`taskfactory runs`: what became of events, and what is done with runs that ended otherwise than they should have."""

import getpass
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from taskfactory.cli.api_client import admin_api, path_of
from taskfactory.cli.consent import require_consent
from taskfactory.cli.describe import describe_run
from taskfactory.cli.errors import BadInput, CommandFailed
from taskfactory.cli.exit_status import ExitStatus
from taskfactory.cli.lineage import lineage_lines
from taskfactory.cli.options import (
    DEFAULT_RATE,
    Because,
    DryRun,
    Limit,
    OnlyDefinition,
    Rate,
    Since,
    Until,
    Why,
    Yes,
    moments,
    per_second,
)
from taskfactory.cli.output import Output, OutputOption, Table, counted, show
from taskfactory.cli.run_lists import RunFilter, find_runs, tell_if_none
from taskfactory.cli.tables import runs_table
from taskfactory.cli.telling import telling

RERUN_SAID: Final = {
    "started": "run again as",
    "already_started": "was run again already, as",
    "would_start": "would be run again as",
}
"""The API's results of a rerun, in words."""
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]

app = typer.Typer(
    name="runs", help="List, show, cancel and rerun runs, and follow them.", no_args_is_help=True, add_completion=False
)


class StartedBy(StrEnum):
    """What started a run."""

    EVENT = "event"
    CRON = "cron"


@app.callback()
def runs() -> None:
    """List, show, cancel and rerun runs, and follow them."""


@app.command("list")
def list_runs(  # noqa: PLR0913 -- one parameter per option
    *,
    definition: OnlyDefinition = None,
    state: Annotated[str | None, typer.Option("--state", help="Only in this state.")] = None,
    since: Since = None,
    until: Until = None,
    event_id: Annotated[str | None, typer.Option("--event-id", help="Only of events with this id.")] = None,
    event_source: Annotated[str | None, typer.Option("--event-source", help="… and this source.")] = None,
    key: Annotated[str | None, typer.Option("--key", "-k", help="Only with this dedupe key, as the list shows it.")] = (
        None
    ),
    kind: Annotated[StartedBy | None, typer.Option("--kind", help="Only those that such a trigger started.")] = None,
    limit: Limit = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """List runs, the newest first. --since and --until are about when a run started."""
    begin, end = moments(since, until)
    wanted = RunFilter(
        definition=definition,
        state=state,
        since=begin,
        until=end,
        event_id=event_id,
        event_source=event_source,
        dedupe_key=key,
        kind=kind,
    )
    with admin_api() as api:
        rows = find_runs(api, wanted, limit)
    show(output, runs_table(rows), rows)
    if not rows:
        tell_if_none(wanted, "runs")


@app.command("show")
def show_run(run: RunArgument, output: OutputOption = Output.TABLE) -> None:
    """Show a run with its event, its tasks and what they were given."""
    describe_run(run, output)


@app.command()
def lineage(run: RunArgument, output: OutputOption = Output.TABLE) -> None:
    """Show what led to a run, and which runs its outcomes started."""
    with admin_api() as api:
        found = api.get(path_of("runs", run, "lineage"))
    if output is not Output.TABLE:
        show(output, Table((), ()), found)
        return
    for line in lineage_lines(found, run):
        typer.echo(line)


@app.command()
def cancel(
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs under way.")],
    because: Why,
    *,
    yes: Yes = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Ask runs under way to end: their open tasks are cancelled, and the outcome says so.

    Exit status 4 when one of them has ended already; the others are cancelled all the same.
    """
    wanted = list(dict.fromkeys(run_ids))
    require_consent(f"{counted(len(wanted), 'run')} would be cancelled", len(wanted), given=yes)
    _each(wanted, "cancel", {"reason": because}, lambda _: "asked to end", output)


@app.command()
def rerun(  # noqa: PLR0913 -- one parameter per option
    run_ids: Annotated[list[str] | None, typer.Argument(metavar="[RUN...]", help="Ended runs, by id.")] = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="All failed runs, as far as the other options say.")] = False,
    run: Annotated[
        list[str] | None, typer.Option("--run", help="As RUN, with --rate and --dry-run; repeatable.")
    ] = None,
    definition: OnlyDefinition = None,
    since: Since = None,
    until: Until = None,
    because: Because = None,
    rate: Rate = DEFAULT_RATE,
    dry_run: DryRun = False,
    yes: Yes = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run ended runs again, each once, in a new generation and in its definition's present version.

    By id (RUN...), whatever they ended as; or all failed ones (--failed, or --run), which is done beside the database,
    Temporal and Kafka themselves: --since and --until are then about when a run failed. The event is the one that
    started the run, as Temporal or else its Kafka record has it; `match` and `when` are not asked again, and a dedupe
    window does not hold it up. A run whose key has fired again since is skipped. Safe to call again: none is started
    twice; Ctrl-C is too. Exit status 1 when some could not be run again.
    """
    if run_ids and not (failed or run or definition or since or until):
        if because is None:
            raise BadInput(["--because: say why; the audit trail keeps it"])
        wanted = list(dict.fromkeys(run_ids))
        require_consent(f"{counted(len(wanted), 'run')} would be run again", len(wanted), given=yes or dry_run)
        _each(wanted, "rerun", {"reason": because, "dry_run": dry_run}, _rerun_said, output)
        return
    if run_ids or not (failed or run):
        raise BadInput(["say which runs: RUN... by id, or --failed (with --since, --until, --definition), or --run ID"])
    # Loads Temporal, Kafka and the database's client, which the API's other commands don't need.
    from taskfactory.cli.reruns import How, rerun_selected  # noqa: PLC0415
    from taskfactory.registry import ByHand, RunSelection  # noqa: PLC0415

    selection = RunSelection(run or (), failed and not run, definition, *moments(since, until))
    how = How(per_second(rate), ByHand(getpass.getuser(), because), dry_run=dry_run)
    rerun_selected(selection, how, output, consent=yes)


def _rerun_said(answer: Mapping[str, Any]) -> str:
    return f"{RERUN_SAID[answer['result']]} {answer['run_id']}, in version {answer['version']}"


def _each(
    run_ids: Sequence[str],
    verb: str,
    body: Mapping[str, Any],
    done: Callable[[Mapping[str, Any]], str],
    output: Output,
) -> None:
    """Ask for one thing to be done with each; what one refuses does not hold up the others."""
    worst = ExitStatus.DONE
    with telling(output) as tell, admin_api() as api:
        for run_id in run_ids:
            try:
                answer = api.post(path_of("runs", run_id, verb), body).value
            except CommandFailed as error:
                if len(run_ids) == 1:
                    raise
                worst = max(worst, error.exit_status)
                for message in error.messages:
                    typer.echo(f"{run_id}: {message}", err=True)
            else:
                tell(f"{run_id}: {done(answer)}", answer)
    if worst is not ExitStatus.DONE:
        raise typer.Exit(worst)
