"""`taskfactory dlq`: what could not become a run, why, and what is to be done about it."""

import asyncio
import getpass
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from taskfactory.cli.disposing import (
    DEFAULT_RATE,
    Interrupted,
    disposing,
    positions_told,
    require_consent,
)
from taskfactory.cli.errors import BadInput, CommandFailed
from taskfactory.cli.letter_desk import Desk, nothing_fits, open_desk
from taskfactory.cli.letters_shown import (
    as_value,
    counts_by_reason,
    definition_of,
    letter_text,
    letters_table,
    printable,
    with_record,
)
from taskfactory.cli.output import Output, Table, show
from taskfactory.cli.progress import progress
from taskfactory.intake import (
    GONE,
    InForce,
    LetterFilter,
    Record,
    Redriven,
    Redriver,
    RehearsedResolutions,
    StoredLetter,
    in_parallel,
    load_in_force,
    parse_moment,
)
from taskfactory.registry import Resolution

app = typer.Typer(
    name="dlq", help="List, show, redrive and discard dead letters.", no_args_is_help=True, add_completion=False
)

Ids = Annotated[list[str] | None, typer.Option("--id", help="The letter with this id; repeatable.")]
Reason = Annotated[str | None, typer.Option(help="Letters with this reason code.")]
Definition = Annotated[str | None, typer.Option("--definition", "-D", help="Letters of this definition.")]
Since = Annotated[str | None, typer.Option(help="Dead-lettered then or later: a time with its zone, or 7d.")]
Until = Annotated[str | None, typer.Option(help="Dead-lettered before: the same.")]
Topic = Annotated[str | None, typer.Option(help="Letters that came from this topic.")]
Partition = Annotated[int | None, typer.Option(min=0, help="… from this partition.")]
Offset = Annotated[int | None, typer.Option(min=0, help="… with this offset.")]
Rate = Annotated[float, typer.Option(min=0.001, help="Starts and dead letters per second at most.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print it.")]


@app.callback()
def dlq() -> None:
    """List, show, redrive and discard dead letters."""


@app.command("list")
def list_(  # noqa: PLR0913 -- one parameter per option
    *,
    ids: Ids = None,
    reason: Reason = None,
    definition: Definition = None,
    since: Since = None,
    until: Until = None,
    topic: Topic = None,
    partition: Partition = None,
    offset: Offset = None,
    resolved: Annotated[bool, typer.Option("--all", help="Redriven and discarded letters too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Newest letters at most.")] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """List dead letters, the newest first, and count them by reason."""
    wanted = _filter(ids, reason, definition, since, until, topic, partition, offset)
    with open_desk() as desk:
        rows = desk.listed(wanted, resolved=resolved)
    shown = rows[:limit]
    show(output, letters_table(shown), [as_value(row) for row in shown])
    if output is Output.TABLE:
        typer.echo(f"\n{counts_by_reason(rows, len(shown))}")
        if desk.strangers:
            typer.echo(f"{desk.strangers:,} records of the topic are no dead letters of taskfactory's")


@app.command("show")
def show_letter(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="The letter's id, as `dlq list` shows it.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Show everything about a dead letter, its value too, and what to do about it."""
    with open_desk() as desk:
        rows = desk.listed(LetterFilter(ids=frozenset([letter_id])), resolved=True)
        if not rows:
            raise nothing_fits(f"the id {letter_id!r}")
        original = next((record for batch in desk.originals([rows[0].letter]) for _, record in batch), None)
    if output is Output.TABLE:
        typer.echo(letter_text(rows[0], original))
    else:
        show(output, Table((), []), [with_record(rows[0], original)])


@app.command()
def redrive(  # noqa: PLR0913 -- one parameter per option
    *,
    ids: Ids = None,
    reason: Reason = None,
    definition: Definition = None,
    since: Since = None,
    until: Until = None,
    topic: Topic = None,
    partition: Partition = None,
    offset: Offset = None,
    rate: Rate = DEFAULT_RATE,
    dry_run: DryRun = False,
    yes: Yes = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Decide about dead letters anew, by the definitions of now, and start what follows.

    Nothing is written to the producers' topics. A letter of one definition starts that definition only; one of the
    record itself starts every definition that matches, or the one of --definition. What fails again stays, with its
    new reason. Ctrl-C is safe: run it again to go on. The status is 0 if all are off the list, 1 if some stay.
    """
    wanted = _filter(ids, reason, definition, since, until, topic, partition, offset)
    with open_desk() as desk:
        letters = [row.letter for row in reversed(desk.chosen(wanted))]
        in_force = load_in_force(desk.engine)
        only = _definition_id(in_force, definition)
        what = f"{len(letters):,} dead letters would be redriven"
        require_consent(what, len(letters), given=yes or dry_run)
        results: list[Redriven] = []
        try:
            asyncio.run(_redrive(desk, letters, in_force, only, results, rate, dry_run=dry_run))
        except KeyboardInterrupt:
            raise Interrupted(
                [f"Interrupted: {len(results):,} of {len(letters):,} letters are done. Run it again to go on."]
            ) from None
        finally:
            _show_results(results, output, dry_run=dry_run)
    if left := [item for item in results if item.outcome in {"failed", "refused"}]:
        raise CommandFailed([f"{len(left):,} of {len(results):,} letters failed."])


@app.command()
def discard(  # noqa: PLR0913 -- one parameter per option
    *,
    because: Annotated[str, typer.Option(help="Why; kept with the letter.")],
    ids: Ids = None,
    reason: Reason = None,
    definition: Definition = None,
    since: Since = None,
    until: Until = None,
    topic: Topic = None,
    partition: Partition = None,
    offset: Offset = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Take dead letters off the list, with the reason why. The records stay on their topic; `list --all` shows them."""
    if not because.strip():
        raise BadInput(["--because is empty: say why, for those who look for these events later"])
    wanted = _filter(ids, reason, definition, since, until, topic, partition, offset)
    with open_desk() as desk:
        letters = [row.letter for row in desk.chosen(wanted)]
        require_consent(f"{len(letters):,} dead letters would be discarded", len(letters), given=yes or dry_run)
        if not dry_run:
            desk.resolutions.put(
                [Resolution(letter.key, letter.attempts, "discarded", because, getpass.getuser()) for letter in letters]
            )
    typer.echo(f"{'would discard' if dry_run else 'discarded'} {len(letters):,}")


async def _redrive(  # noqa: PLR0913, PLR0917 -- what the command has found out
    desk: Desk,
    letters: Sequence[StoredLetter],
    in_force: InForce,
    only: str | None,
    results: list[Redriven],
    rate: float,
    *,
    dry_run: bool,
) -> None:
    resolutions = RehearsedResolutions() if dry_run else desk.resolutions
    with progress("letters redriven") as report:
        async with disposing(desk.settings, rate, dry_run=dry_run) as disposer:
            redriver = Redriver(in_force, disposer, resolutions, getpass.getuser())

            async def one(found: tuple[StoredLetter, Record]) -> None:
                results.append(await redriver.redrive(*found, only))
                report(len(results), len(letters))

            batches = desk.originals(letters)
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                await in_parallel(batch, one)
    done = {item.letter.id for item in results}
    results.extend(Redriven(letter, "refused", GONE, resolved=False) for letter in letters if letter.id not in done)


def _show_results(results: Sequence[Redriven], output: Output, *, dry_run: bool) -> None:
    table = Table(
        ("OUTCOME", "DEFINITION", "ID", "MESSAGE"),
        [
            (item.outcome, definition_of(item.letter), printable(item.letter.id), printable(item.message))
            for item in results
        ],
    )
    values: list[dict[str, Any]] = [
        {"id": item.letter.id, "outcome": item.outcome, "message": item.message, "resolved": item.resolved}
        for item in results
    ]
    show(output, table, values)
    if output is Output.TABLE:
        counts = Counter(item.outcome for item in results)
        told = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.most_common()) or "none"
        head = "dry run, nothing was done; would be" if dry_run else "redriven"
        typer.echo(f"\n{head}: {told}")


def _filter(  # noqa: PLR0913, PLR0917 -- one parameter per option
    ids: Sequence[str] | None,
    reason: str | None,
    definition: str | None,
    since: str | None,
    until: str | None,
    topic: str | None,
    partition: int | None,
    offset: int | None,
) -> LetterFilter:
    now = datetime.now(UTC)
    with positions_told("--since"):
        first = None if since is None else parse_moment(since, now)
    with positions_told("--until"):
        last = None if until is None else parse_moment(until, now)
    return LetterFilter(frozenset(ids or ()), reason, definition, first, last, topic, partition, offset)


def _definition_id(in_force: InForce, asked: str | None) -> str | None:
    """The definition's id; the text itself when none in force has that name, so that each letter is told why."""
    found = (item.id for item in in_force.definitions.definitions if asked in {item.id, item.definition.name})
    return None if asked is None else next(found, asked)
