"""`taskfactory dev`: the local stack from the command line."""

import json
import shlex
import subprocess
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from taskfactory.dev.endpoints import Endpoints
from taskfactory.dev.errors import DevError
from taskfactory.dev.ports import Ports
from taskfactory.dev.progress import shown
from taskfactory.dev.stack import Stack
from taskfactory.dev.state import Mode, PartStatus

app = typer.Typer(
    name="dev",
    help="The local stack: Kafka, Temporal and PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class UpFormat(StrEnum):
    """What `up` prints on standard output."""

    TABLE = "table"
    ENV = "env"
    JSON = "json"


class ExtraPart(StrEnum):
    """What `up` starts only when it is asked for."""

    SCHEMA_REGISTRY = "schema-registry"


class StatusFormat(StrEnum):
    """What `status` prints."""

    TABLE = "table"
    JSON = "json"


State = Annotated[
    Path,
    typer.Option(
        "--state",
        envvar="TASKFACTORY_DEV_STATE",
        help="The stack's one folder: data, logs, ports, processes. Another folder is another stack.",
    ),
]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="0: any free port, the same one again if it is still free.")]
DEFAULT_STATE = Path(".taskfactory/dev")


@app.command()
def up(  # noqa: PLR0913 - one parameter per flag
    *,
    output: Annotated[
        UpFormat, typer.Option("--format", help="env: `eval` it, or use it as an env file.")
    ] = UpFormat.TABLE,
    state: State = DEFAULT_STATE,
    kafka_port: Port = 0,
    temporal_port: Port = 0,
    ui_port: Port = 0,
    postgres_port: Port = 0,
    schema_registry_port: Port = 0,
    extra: Annotated[
        list[ExtraPart] | None,
        typer.Option("--with", help="Start this too; it stays until `down`. With Docker it always runs."),
    ] = None,
    native: Annotated[
        bool | None, typer.Option("--native/--docker", help="Default: Docker if an engine answers.", show_default=False)
    ] = None,
) -> None:
    """Start what does not run, reuse what does, and print where everything is.

    Point any program at the stack: `set -a; eval "$(taskfactory dev up --format env)"; set +a`.
    """
    ports = Ports(kafka_port, temporal_port, ui_port, postgres_port, schema_registry_port)
    mode = None if native is None else Mode.NATIVE if native else Mode.DOCKER
    errors = Console(stderr=True)
    try:
        with shown(errors) as progress:
            endpoints = Stack(
                state, ports, mode=mode, with_schema_registry=ExtraPart.SCHEMA_REGISTRY in (extra or ())
            ).up(progress)
    except DevError as error:
        raise _failed(error) from error
    typer.echo(_RENDER[output](endpoints))
    if output is UpFormat.TABLE:
        typer.echo("\nStop it with `taskfactory dev down`; settings: `taskfactory dev up --format env`.", err=True)


@app.command()
def down(
    *,
    state: State = DEFAULT_STATE,
    wipe: Annotated[
        bool, typer.Option("--wipe/--keep", help="Remove the data too, or keep it for the next `up`.")
    ] = False,
) -> None:
    """Stop every server; the data stays for the next `up` unless `--wipe` is given."""
    try:
        stopped = Stack(state).down(wipe=wipe)
    except DevError as error:
        raise _failed(error) from error
    typer.echo(f"stopped {', '.join(stopped)}" if stopped else _nothing_runs(state))


@app.command()
def status(
    *,
    output: Annotated[StatusFormat, typer.Option("--format")] = StatusFormat.TABLE,
    state: State = DEFAULT_STATE,
) -> None:
    """Show each part, its process, address and health; exit code 1 unless all are up."""
    parts = Stack(state).status()
    if output is StatusFormat.JSON:
        typer.echo(json.dumps([asdict(part) for part in parts], indent=2))
    else:
        Console().print(_status_table(parts))
        if not any(part.address for part in parts):
            typer.echo(_nothing_runs(state), err=True)
    if any(part.problem for part in parts):
        raise typer.Exit(1)


@app.command()
def logs(
    part: Annotated[
        str | None, typer.Argument(help="kafka, temporal, postgres or schema-registry; default: all.")
    ] = None,
    *,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the newest lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until interrupted.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Print what the servers logged."""
    try:
        command = Stack(state).logs(part, lines, follow=follow)
    except DevError as error:
        raise _failed(error) from error
    try:
        code = subprocess.run(command, check=False).returncode  # noqa: S603 - the command line is ours
    except KeyboardInterrupt:
        code = 0  # how a follower is meant to end
    raise typer.Exit(code)


def as_table(endpoints: Endpoints) -> str:
    """Write the addresses for people."""
    rows = {
        "Kafka": endpoints.kafka_bootstrap_servers,
        "Temporal": f"{endpoints.temporal_address}, namespace {endpoints.temporal_namespace}",
        "Temporal UI": endpoints.temporal_ui_url,
        "PostgreSQL": endpoints.database_url,
        **({"Schema registry": endpoints.schema_registry_url} if endpoints.schema_registry_url else {}),
        **({"Admin API": f"{endpoints.api_url}, while `taskfactory run` serves it"} if endpoints.api_url else {}),
    }
    return "\n".join(f"{name:<16} {address}" for name, address in rows.items())


def as_env(endpoints: Endpoints) -> str:
    """Write the settings as lines that a shell can evaluate and that an env file can hold."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in endpoints.env().items()]
    notes = [f"# Temporal UI: {endpoints.temporal_ui_url}"]
    if endpoints.api_url:
        notes.append(f"# To send commands to the API of taskfactory run: TASKFACTORY_API_URL={endpoints.api_url}")
    return "\n".join([*notes, *lines])


def as_json(endpoints: Endpoints) -> str:
    """Write addresses and settings for programs."""
    return json.dumps({**asdict(endpoints), "api_url": endpoints.api_url, "env": endpoints.env()}, indent=2)


_RENDER = {UpFormat.TABLE: as_table, UpFormat.ENV: as_env, UpFormat.JSON: as_json}


def _status_table(parts: tuple[PartStatus, ...]) -> Table:
    table = Table("part", "pid", "address", "health", box=None, pad_edge=False)
    for part in parts:
        health = f"[red]{part.problem}[/]" if part.problem else "[green]up[/]"
        table.add_row(part.name, str(part.pid or "-"), part.address or "-", health)
    return table


def _nothing_runs(state: Path) -> str:
    return f"nothing was running in {state.absolute()}; for the stack of another folder give --state"


def _failed(error: DevError) -> typer.Exit:
    typer.echo(f"Error: {error}", err=True)
    return typer.Exit(1)
