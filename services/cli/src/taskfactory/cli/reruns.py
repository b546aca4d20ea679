"""Failed runs run again, many at once, from where their events are: in Temporal or in Kafka."""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import typer
from sqlalchemy import Engine

from taskfactory.cli.consent import require_consent
from taskfactory.cli.database import registry
from taskfactory.cli.errors import Interrupted
from taskfactory.cli.history import history
from taskfactory.cli.named import definition_named
from taskfactory.cli.output import Output, Table, counted, show
from taskfactory.cli.progress import progress
from taskfactory.cli.reading import event_reader
from taskfactory.cli.settings import CliSettings
from taskfactory.cli.temporal import starter, temporal
from taskfactory.intake import COULD_NOT, Pace, PastEvents, Rerun, Rerunner, load_in_force
from taskfactory.registry import ByHand, DedupeStore, DefinitionStore, PastRun, RunSelection, RunStore

SAID: Final = {
    "started": "started",
    "already_started": "already started",
    "would_start": "would start",
    "newer": "skipped",
    "not_ended": "still running",
    "gone": "gone",
    "disabled": "disabled",
    "refused": "refused",
}
"""How a result is shown."""


@dataclass(frozen=True, slots=True)
class How:
    """How it is done, and by whom."""

    per_second: float
    by: ByHand
    dry_run: bool


def rerun_selected(selection: RunSelection, how: How, output: Output, *, consent: bool) -> None:
    """Run failed runs again, each once, in a new generation and in its definition's present version.

    None is started twice, whenever and however often this is called; Ctrl-C leaves nothing half done.

    Raises:
        CommandFailed: a server is away, nobody consented, or there is no such definition.
        typer.Exit: with status 1, when some could not be run again.
    """
    settings = CliSettings()
    with registry(settings) as engine:
        if selection.definition is not None:
            definition_named(engine, selection.definition)
        found = RunStore(engine).past_runs(selection)
        require_consent(
            f"{counted(len(found), 'failed run')} would be run again", len(found), given=consent or how.dry_run
        )
        missing = sorted(set(selection.run_ids) - {one.run_id for one in found})
        done: list[Rerun] = []
        try:
            if found:
                asyncio.run(_rerun_all(engine, settings, found, done, how))
        except KeyboardInterrupt:
            raise Interrupted(
                [f"Interrupted: {len(done):,} of {len(found):,} runs are done. Run it again to go on."]
            ) from None
        finally:
            if done or not found:  # whatever ends it, what was started stays started, and is said
                _tell(done, missing, output)
    if missing or any(item.result in COULD_NOT for item in done):
        raise typer.Exit(1)


def _tell(done: Sequence[Rerun], missing: Sequence[str], output: Output) -> None:
    show(output, reruns_table(done, missing), [_value(item) for item in done])
    typer.echo(summary(done, len(missing)), err=output is not Output.TABLE)


async def _rerun_all(
    engine: Engine, settings: CliSettings, found: Sequence[PastRun], done: list[Rerun], how: How
) -> None:
    definitions = DefinitionStore(engine)
    pace = Pace(how.per_second)
    async with AsyncExitStack() as opened:
        client = await opened.enter_async_context(temporal(settings))
        # What was let through once may be larger than what is let through now.
        reader = await opened.enter_async_context(event_reader(settings, max_event_bytes=sys.maxsize))
        events: list[PastEvents] = []

        def past_events() -> PastEvents:
            if not events:  # most often Temporal remembers, and Kafka need not be there
                past = opened.enter_context(history(settings))
                events.append(PastEvents(past, reader, load_in_force(engine)))
            return events[0]

        rerunner = Rerunner(
            {row.id: row for row in definitions.list(deleted=True)},
            definitions=definitions,
            dedupe=DedupeStore(engine),
            client=client,
            starter=starter(client, settings),
            events=past_events,
        )
        with progress("runs run again") as report:
            for one in found:
                if not how.dry_run:
                    await pace.turn()
                done.append(await rerunner.rerun(one, how.by, dry_run=how.dry_run))
                report(len(done), len(found))


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
