"""`taskfactory dedupe`: what is known of a definition's dedupe key, and letting it fire again."""

import getpass
import json
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from sqlalchemy import Engine

from taskfactory.cli.cells import moment
from taskfactory.cli.database import registry
from taskfactory.cli.errors import BadInput, OperationFailed
from taskfactory.cli.named import definition_named
from taskfactory.cli.options import Because, DefinitionOption, DryRun
from taskfactory.cli.output import Output, OutputOption, Table, show
from taskfactory.cli.settings import CliSettings
from taskfactory.cli.telling import show_value
from taskfactory.definitions import DedupeKey
from taskfactory.definitions.dedupe import EVENT_ID, EXPRESSION, SUBJECT, canonical_json
from taskfactory.registry import ByHand, DedupeStore, DefinitionRow, GenerationRow, KeyNeverSeen

app = typer.Typer(
    name="dedupe", help="Show dedupe keys, and let one fire again.", no_args_is_help=True, add_completion=False
)

Key = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        "-k",
        help="The key as `get runs` shows it: a subject; --key SOURCE --key ID; an expression's text.",
    ),
]
KeyJson = Annotated[str | None, typer.Option("--key-json", help="An expression's value that is no text, as JSON.")]

HOW: Final = {
    EVENT_ID: "--key SOURCE --key ID",
    SUBJECT: "--key SUBJECT",
    EXPRESSION: "--key TEXT, or --key-json JSON for a value that is no text",
}


@app.callback()
def dedupe() -> None:
    """Show dedupe keys, and let one fire again."""


@app.command()
def release(  # noqa: PLR0913 -- one parameter per option
    definition: DefinitionOption,
    key: Key = None,
    key_json: KeyJson = None,
    because: Because = None,
    *,
    dry_run: DryRun = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Let one key of a definition fire once more, for whichever event with it comes next.

    The key is made as the definition's present version makes it. Ingress knows within a second; what it read before
    that is not read again. Released twice before an event has come, the key stays released once.
    """
    with registry(CliSettings()) as engine:
        row, asked = _find(engine, definition, key or [], key_json)
        by = ByHand(getpass.getuser(), because)
        try:
            released = DedupeStore(engine).release(row.id, asked, by, dry_run=dry_run)
        except KeyNeverSeen:
            raise OperationFailed(
                f"{definition} has never had an event with the key {_shown(asked)}.", _hint(asked)
            ) from None
    if output is not Output.TABLE:
        told = {"definition": definition, "key": list(asked.parts), "generation": released.generation}
        show_value(output, told | {"already": released.already, "dry_run": dry_run})
        return
    what = f"{_shown(asked)} of {definition}"
    if released.already:
        typer.echo(f"{what} is released already, and no event with it has come since; generation {released.generation}")
    else:
        typer.echo(f"{'would release' if dry_run else 'released'} {what}; generation {released.generation}")


@app.command("show")
def show_key(
    definition: DefinitionOption,
    key: Key = None,
    key_json: KeyJson = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the generations of one key: who opened them, their newest window, and the run that has it."""
    with registry(CliSettings()) as engine:
        row, asked = _find(engine, definition, key or [], key_json)
        generations = DedupeStore(engine).show(row.id, asked)
    if not generations:
        raise OperationFailed(f"{definition} has never had an event with the key {_shown(asked)}.", _hint(asked))
    show(output, generations_table(generations), generations)


def generations_table(rows: Sequence[GenerationRow]) -> Table:
    """Generations as people read them."""
    return Table(
        ("GENERATION", "OPENED", "BY", "FOR", "WINDOWS", "NEWEST WINDOW", "RUN", "STATE", "REASON"),
        [
            (
                str(row.generation),
                moment(row.opened_at),
                row.opened_by or "-",
                "-" if row.opened_by is None else row.rerun_of or "the next event",
                str(row.windows) if row.windows else "-",
                moment(row.newest_window),
                row.run_id or "-",
                row.run_state or "-",
                row.reason or "-",
            )
            for row in rows
        ],
    )


def key_from(strategy: str, parts: Sequence[str], value_json: str | None) -> DedupeKey:
    """The key that people mean.

    Args:
        strategy: the definition's: `event_id`, `subject` or `expression`.
        parts: the values of `--key`.
        value_json: the value of `--key-json`.

    Raises:
        BadInput: they are not what the strategy's keys are made of.
    """
    wanted = 2 if strategy == EVENT_ID else 1
    given: list[Any] = list(parts)
    if value_json is not None and strategy == EXPRESSION:
        try:
            value = json.loads(value_json)
            canonical_json(value)  # Python reads NaN and 1e999 too, of which no key is made
        except ValueError as error:
            raise BadInput([f"--key-json {value_json}: {error}; allowed is a JSON value, such as 17"]) from error
        given.append(value)
    elif value_json is not None:
        raise BadInput([f"--key-json: this definition's keys are made of {strategy}; use {HOW[strategy]}"])
    if len(given) != wanted:
        found = f"{len(given)} part{'' if len(given) == 1 else 's'}"
        raise BadInput([f"found a key of {found}; keys by {strategy} have {wanted}: {HOW[strategy]}"])
    return DedupeKey(strategy, tuple(given))


def _find(
    engine: Engine, definition: str, parts: Sequence[str], value_json: str | None
) -> tuple[DefinitionRow, DedupeKey]:
    row = definition_named(engine, definition)
    strategy = row.dedupe_key_strategy
    return row, key_from(strategy if strategy in HOW else EXPRESSION, parts, value_json)


def _shown(key: DedupeKey) -> str:
    return " ".join(part if isinstance(part, str) else canonical_json(part) for part in key.parts)


def _hint(key: DedupeKey) -> str:
    """What else may have been meant: `get runs` shows the text 42 and the number 42 alike."""
    text = key.parts[0]
    if key.strategy == EXPRESSION and isinstance(text, str):
        try:
            json.loads(text)
        except ValueError:
            pass
        else:
            return (
                f"If the expression gives no text, use --key-json {text!r}; `taskfactory get runs -o json` shows keys."
            )
    return "`taskfactory get runs` shows the keys of runs; what was never seen fires without a release."
