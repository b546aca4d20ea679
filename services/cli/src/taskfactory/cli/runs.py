"""`taskfactory runs`: what is done with runs that ended otherwise than they should have."""

import asyncio
import getpass
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from confluent_kafka import KafkaException
from sqlalchemy import Engine

from taskfactory.cli.database import registry
from taskfactory.cli.disposing import DEFAULT_RATE, Interrupted, require_consent
from taskfactory.cli.errors import BadInput, OperationFailed
from taskfactory.cli.output import Output, Table, show
from taskfactory.cli.settings import CliSettings, reaching
from taskfactory.cli.temporal import temporal
from taskfactory.intake import (
    COULD_NOT,
    EventReader,
    InForce,
    InvalidPosition,
    Pace,
    PastEvents,
    Rerun,
    Rerunner,
    TemporalStarter,
    Unavailable,
    open_history,
    parse_moment,
    schema_registry,
)
from taskfactory.registry import ByHand, DedupeStore, DefinitionStore, PastRun, RunSelection, RunStore

SCHEMA_REGISTRY: Final = "SCHEMA_REGISTRY"
"""What `EventReader` calls the schema registry when it is away."""
SAID: Final = {
    "started": "started",
    "already_started": "already started",
    "would_start": "would start",
    "newer": "skipped",
    "not_failed": "not failed",
    "gone": "gone",
    "disabled": "disabled",
    "refused": "refused",
}
"""How a result is shown."""

app = typer.Typer(name="runs", help="Run failed runs again.", no_args_is_help=True, add_completion=False)


@app.callback()
def runs() -> None:
    """Run failed runs again."""


@app.command()
def rerun(  # noqa: PLR0913 -- one parameter per option
    *,
    run: Annotated[list[str] | None, typer.Option("--run", help="The failed run with this id; repeatable.")] = None,
    since: Annotated[str | None, typer.Option(help="Failed since then: 2h, 7d, or 2026-11-20T09:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Failed before then, in the same manner.")] = None,
    definition: Annotated[str | None, typer.Option("--definition", "-D", help="Runs of this definition.")] = None,
    rate: Annotated[float, typer.Option(min=0.001, help="Starts per second at most.")] = DEFAULT_RATE,
    reason: Annotated[str | None, typer.Option(help="Kept with each generation that is opened.")] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print it.")] = Output.TABLE,
    failed: Annotated[bool, typer.Option("--failed", help="All failed runs, as far as the other options say.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be started.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Run failed runs again, each once, in a new generation and in its definition's present version.

    The event is the one that started the failed run, as Temporal or else its Kafka record has it; `match` and `when`
    are not asked again, and a dedupe window does not hold it up. A run whose key has fired again since is skipped.
    Safe to call again, also after Ctrl-C: none is started twice. Exit status 1 when some could not be run again.
    """
    selection = _selection(run or [], since, until, definition, failed=failed)
    how = _How(rate, ByHand(getpass.getuser(), reason), dry_run=dry_run)
    settings = CliSettings()
    with registry(settings) as engine:
        if definition is not None and not DefinitionStore(engine).list(definition):
            raise OperationFailed(f"There is no definition named {definition!r}.", "`get definitions` lists them.")
        found = RunStore(engine).past_runs(selection)
        missing = sorted(set(run or ()) - {one.run_id for one in found})
        done: list[Rerun] = []
        require_consent(f"{len(found):,} failed runs would be run again", len(found), given=yes or dry_run)
        try:
            if found:
                asyncio.run(_rerun_all(engine, settings, found, done, how))
        except OperationFailed:
            if done:  # a server went away in the middle: what was started stays started
                _tell(done, missing, output)
            raise
        except KeyboardInterrupt:
            _tell(done, missing, output)
            raise Interrupted(
                [f"Interrupted: {len(done):,} of {len(found):,} runs are done. Run it again to go on."]
            ) from None
    _tell(done, missing, output)
    if missing or any(item.result in COULD_NOT for item in done):
        raise typer.Exit(1)


def _tell(done: Sequence[Rerun], missing: Sequence[str], output: Output) -> None:
    show(output, reruns_table(done, missing), [_value(item) for item in done])
    typer.echo(summary(done, len(missing)), err=output is not Output.TABLE)


@dataclass(frozen=True, slots=True)
class _How:
    per_second: float
    by: ByHand
    dry_run: bool


async def _rerun_all(
    engine: Engine, settings: CliSettings, found: Sequence[PastRun], done: list[Rerun], how: _How
) -> None:
    definitions = DefinitionStore(engine)
    pace = Pace(how.per_second)
    async with AsyncExitStack() as opened:
        events: list[PastEvents] = []

        def past_events() -> PastEvents:
            if not events:
                registry_client = schema_registry(settings)
                if registry_client is not None:
                    opened.push_async_callback(registry_client.close)
                history = opened.enter_context(open_history(settings.librdkafka()))
                in_force = InForce.nothing().updated(definitions.changes(None))
                events.append(PastEvents(history, EventReader(sys.maxsize, registry_client), in_force))
            return events[0]

        async with temporal(settings) as client:
            rerunner = Rerunner(
                {row.id: row for row in definitions.list()},
                definitions=definitions,
                dedupe=DedupeStore(engine),
                client=client,
                starter=TemporalStarter(
                    client,
                    settings.orchestrator_queue,
                    eager=False,
                    max_input_bytes=settings.max_run_input_bytes,
                ),
                events=past_events,
            )
            for one in found:
                if not how.dry_run:
                    await pace.turn()
                try:
                    done.append(await rerunner.rerun(one, how.by, dry_run=how.dry_run))
                except KafkaException as error:
                    what = f"Kafka at {settings.kafka_bootstrap_servers} could not be used: {error.args[0].str()}."
                    raise OperationFailed(what, reaching("TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS")) from error
                except Unavailable as away:
                    if away.error != SCHEMA_REGISTRY:
                        raise
                    raise OperationFailed(f"The schema registry could not be used: {away.message}.") from away


def reruns_table(done: Sequence[Rerun], missing: Sequence[str]) -> Table:
    """A line for each failed run, and for each that there is not."""
    return Table(
        ("RESULT", "DEFINITION", "FAILED RUN", "NEW RUN", "NOTE"),
        [
            (
                SAID[item.result],
                item.of.activity_name if item.version is None else f"{item.of.activity_name}@{item.version}",
                item.of.run_id,
                item.run_id or "-",
                item.note or "-",
            )
            for item in done
        ]
        + [("unknown", "-", run_id, "-", "there is no such run, or none any more") for run_id in missing],
    )


def summary(done: Sequence[Rerun], missing: int) -> str:
    """How many runs of each result, in words."""
    counts = Counter(SAID[item.result] for item in done)
    if missing:
        counts["unknown"] = missing
    if not counts:
        return "no failed run fits"
    return ", ".join(f"{number} {result}" for result, number in counts.items())


def _value(item: Rerun) -> dict[str, object]:
    return {
        "failed_run": item.of.run_id,
        "definition": item.of.activity_name,
        "result": item.result,
        "run": item.run_id,
        "version": item.version,
        "note": item.note,
    }


def _selection(
    run_ids: Sequence[str], since: str | None, until: str | None, definition: str | None, *, failed: bool
) -> RunSelection:
    if not (failed or run_ids):
        raise BadInput(["say which runs: --failed (with --since, --until, --definition), or --run ID"])
    now = datetime.now(UTC)
    moments: dict[str, datetime | None] = {"since": None, "until": None}
    for name, text in (("since", since), ("until", until)):
        try:
            moments[name] = None if text is None else parse_moment(text, now)
        except InvalidPosition as error:
            message = f"--{name} {error.text}: allowed are a duration back from now such as 2h, or a time with its zone"
            raise BadInput([f"{message} such as 2026-11-20T09:00:00Z"]) from error
    return RunSelection(run_ids, failed and not run_ids, definition, moments["since"], moments["until"])
