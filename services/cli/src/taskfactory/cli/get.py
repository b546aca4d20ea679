"""`taskfactory get`: what the registry knows about definitions, runs and tasks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, cast, get_args

import typer
from sqlalchemy import Engine

from taskfactory.cli.database import registry
from taskfactory.cli.errors import BadInput, OperationFailed
from taskfactory.cli.named import definition_named
from taskfactory.cli.options import OnlyDefinition
from taskfactory.cli.output import Output, OutputOption, Table, show
from taskfactory.cli.settings import CliSettings
from taskfactory.envelope import Failure
from taskfactory.registry import (
    DefinitionStore,
    RunRow,
    RunState,
    RunStore,
    ShownTaskState,
    TaskRow,
    TaskState,
)


class Kind(StrEnum):
    """What to show."""

    DEFINITIONS = "definitions"
    MAPPINGS = "mappings"
    RUNS = "runs"
    TASKS = "tasks"


STATES = {
    Kind.DEFINITIONS: (),
    Kind.MAPPINGS: (),
    Kind.RUNS: get_args(RunState),
    Kind.TASKS: (*get_args(TaskState), "waiting_for_worker"),
}


@dataclass(frozen=True)
class Filters:
    """What narrows a listing down; None does not."""

    definition: str | None
    state: str | None
    run: str | None
    limit: int


def get(  # noqa: PLR0913 -- one parameter per option
    kind: Annotated[Kind, typer.Argument(help="What to show.")],
    name: Annotated[str | None, typer.Argument(help="A definition's name, a mapping's topic, or a run's id.")] = None,
    *,
    definition: OnlyDefinition = None,
    state: Annotated[str | None, typer.Option("--state", help="Runs or tasks in this state.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="The run, or the tasks of the run, with this id.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Newest runs or tasks at most.")] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show definitions, mappings, runs or tasks.

    A failed run or task is shown with its reason; a task whose queue no worker polls as waiting_for_worker. As JSON or
    YAML a task has its params and its result.
    """
    if state is not None and state not in STATES[kind]:
        allowed = ", ".join(STATES[kind])
        raise BadInput([f"--state {state}: {kind} can be {allowed}" if allowed else f"{kind} have no --state"])
    filters = Filters(definition, state, name if kind is not Kind.DEFINITIONS and name else run, limit)
    with registry(CliSettings()) as engine:
        if kind is Kind.DEFINITIONS:
            _show_definitions(engine, name or definition, output)
        elif kind is Kind.MAPPINGS:
            _show_mappings(engine, name, output)
        elif kind is Kind.RUNS:
            _show_runs(engine, filters, output)
        else:
            _show_tasks(engine, filters, output)


def _show_definitions(engine: Engine, name: str | None, output: Output) -> None:
    store = DefinitionStore(engine)
    rows = store.list(name, deleted=name is not None)
    if name is not None and not rows:
        definition_named(engine, name)
    table = Table(
        ("NAME", "VERSION", "STATE", "TRIGGER", "DEDUPE", "UPDATED", "BY", "ID"),
        [
            (
                row.name,
                str(row.version),
                row.state,
                row.trigger_type,
                row.dedupe_key_strategy,
                moment(row.updated_at),
                row.created_by,
                row.id,
            )
            for row in rows
        ],
    )
    values = [asdict(row) for row in rows]
    if name is not None and output is not Output.TABLE:
        for value in values:
            value["definition"] = store.version(value["id"], value["version"]).definition.to_dict()
    show(output, table, values)
    if not rows:
        typer.echo("No definitions yet: `taskfactory apply -f FILE` registers them.", err=True)


def _show_mappings(engine: Engine, topic: str | None, output: Output) -> None:
    rows = [row for row in DefinitionStore(engine).mappings() if topic in (None, row.topic)]
    if topic is not None and not rows:
        raise OperationFailed(f"Topic {topic!r} has no mapping.", "`taskfactory get mappings` lists all.")
    table = Table(
        ("TOPIC", "VERSION", "FORMAT", "ID", "SOURCE", "TYPE", "APPLIED", "BY"),
        [
            (
                row.topic,
                str(row.version),
                row.mapping.format or "detected",
                row.mapping.id,
                row.mapping.source,
                row.mapping.type,
                moment(row.created_at),
                row.created_by,
            )
            for row in rows
        ],
    )
    show(output, table, [asdict(row) | {"mapping": row.mapping.to_dict()} for row in rows])
    if not rows:
        typer.echo("No topic has a mapping: records are read as event envelopes.", err=True)


def _show_runs(engine: Engine, filters: Filters, output: Output) -> None:
    rows = RunStore(engine).list_runs(
        definition=filters.definition,
        state=cast("RunState | None", filters.state),
        run_id=filters.run,
        limit=filters.limit,
    )
    _require_found(engine, filters, rows)
    show(output, runs_table(rows), rows)
    _tell_if_none(filters, rows, "runs")


def _show_tasks(engine: Engine, filters: Filters, output: Output) -> None:
    rows = RunStore(engine).list_tasks(
        definition=filters.definition,
        state=cast("ShownTaskState | None", filters.state),
        run_id=filters.run,
        limit=filters.limit,
        with_data=output is not Output.TABLE,
    )
    _require_found(engine, filters, rows)
    show(output, tasks_table(rows), rows)
    _tell_if_none(filters, rows, "tasks")


def _require_found(engine: Engine, filters: Filters, rows: Sequence[Any]) -> None:
    if filters.definition is not None and not rows:
        definition_named(engine, filters.definition)
    if filters.run is not None and not rows:
        raise OperationFailed(f"Nothing fits run {filters.run!r}.", "`taskfactory get runs` lists the newest runs.")


def _tell_if_none(filters: Filters, rows: Sequence[Any], noun: str) -> None:
    if rows:
        return
    if filters.definition is None and filters.state is None:
        typer.echo(f"No {noun} yet: they begin when an event matches a definition.", err=True)
    else:
        typer.echo(f"No {noun} fit these options.", err=True)


def runs_table(rows: Sequence[RunRow]) -> Table:
    """Runs as people read them: short cells first, the id and the reason of a failure last, for they are long."""
    return Table(
        ("STARTED", "STATE", "DEFINITION", "GENERATION", "TASKS", "TOOK", "EVENT", "KEY", "RUN", "REASON"),
        [
            (
                moment(row.started_at),
                row.state,
                f"{row.activity_name}@{row.version}",
                "-" if row.generation == 1 else str(row.generation),
                str(row.task_count),
                "-" if row.ended_at is None else took(row.ended_at - row.started_at),
                f"{row.event_type} {row.event_id}",
                row.dedupe_key,
                row.run_id,
                reason(row.error),
            )
            for row in rows
        ],
    )


def tasks_table(rows: Sequence[TaskRow]) -> Table:
    """Tasks as people read them, in the same manner."""
    return Table(
        ("ENDED", "STATE", "HANDLER", "QUEUE", "ATTEMPTS", "TASK", "REASON"),
        [
            (
                moment(row.ended_at),
                row.state,
                row.handler,
                row.queue,
                str(row.attempts),
                row.task_id,
                reason(row.error),
            )
            for row in rows
        ],
    )


def reason(error: Failure | None) -> str:
    """`type: message`, or a dash."""
    return "-" if error is None else f"{error.type}: {error.message}"


def moment(at: datetime | None) -> str:
    """In UTC, to the second; a dash for none."""
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def took(span: timedelta) -> str:
    """A span of time, as precise as it is short: `0.84s`, `12s`, `1:02:03`."""
    seconds = span.total_seconds()
    if seconds < 10:  # noqa: PLR2004 -- where hundredths stop to matter
        return f"{seconds:.2f}s"
    return f"{seconds:.0f}s" if seconds < 60 else str(timedelta(seconds=round(seconds)))  # noqa: PLR2004 -- a minute
