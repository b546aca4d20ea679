"""`taskfactory dlq`: what could not become a run, why, and what is to be done about it."""

import asyncio
import getpass
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from taskfactory.cli.consent import require_consent
from taskfactory.cli.disposing import disposing
from taskfactory.cli.errors import BadInput, CommandFailed, Interrupted
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
from taskfactory.cli.options import DEFAULT_RATE, DryRun, Rate, Since, Until, Yes, moments, per_second
from taskfactory.cli.output import Output, OutputOption, Table, counted, show
from taskfactory.cli.progress import progress
from taskfactory.cli.telling import show_value
from taskfactory.intake import (
    InForce,
    LetterFilter,
    Redriven,
    Redriver,
    RehearsedResolutions,
    StoredLetter,
    definition_id,
    load_in_force,
    redrive_all,
)
from taskfactory.intake.positions import MAX_OFFSET, MAX_PARTITION
from taskfactory.registry import Resolution

app = typer.Typer(
    name="dlq", help="List, show, redrive and discard dead letters.", no_args_is_help=True, add_completion=False
)

Ids = Annotated[list[str] | None, typer.Option("--id", help="The letter with this id; repeatable.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Letters with this reason code.")]
Definition = Annotated[str | None, typer.Option("--definition", "-D", help="Letters of this definition.")]
Topic = Annotated[str | None, typer.Option("--topic", "-t", help="Letters that came from this topic.")]
Partition = Annotated[
    int | None, typer.Option("--partition", "-p", min=0, max=MAX_PARTITION, help="… from this partition.")
]
Offset = Annotated[int | None, typer.Option("--offset", min=0, max=MAX_OFFSET, help="… with this offset.")]


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
    pace = per_second(rate)
    with open_desk() as desk:
        letters = [row.letter for row in reversed(desk.chosen(wanted))]
        in_force = load_in_force(desk.engine)
        only = definition_id(in_force, definition)
        what = f"{counted(len(letters), 'dead letter')} would be redriven"
        require_consent(what, len(letters), given=yes or dry_run)
        results: list[Redriven] = []
        try:
            asyncio.run(_redrive(desk, letters, in_force, only, results, pace, dry_run=dry_run))
        except KeyboardInterrupt:
            raise Interrupted(
                [f"Interrupted: {len(results):,} of {len(letters):,} letters are done. Run it again to go on."]
            ) from None
        finally:
            if results:  # whatever ends it, what was done is said
                _show_results(results, output, dry_run=dry_run)
    if left := [item for item in results if item.outcome in {"failed", "refused"}]:
        stay = f"{'Would be left' if dry_run else 'Left'} on the list: {len(left):,} of {len(results):,}"
        raise CommandFailed([f"{stay}; `taskfactory dlq show ID` says what to do about each."])


@app.command()
def discard(  # noqa: PLR0913 -- one parameter per option
    *,
    because: Annotated[str, typer.Option("--because", help="Why, in your own words; kept with the letter.")],
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
    output: OutputOption = Output.TABLE,
) -> None:
    """Take dead letters off the list, with the reason why. The records stay on their topic; `list --all` shows them."""
    if not because.strip():
        raise BadInput(["--because is empty: say why, for those who look for these events later"])
    wanted = _filter(ids, reason, definition, since, until, topic, partition, offset)
    with open_desk() as desk:
        letters = [row.letter for row in desk.chosen(wanted)]
        require_consent(
            f"{counted(len(letters), 'dead letter')} would be discarded", len(letters), given=yes or dry_run
        )
        if not dry_run:
            desk.resolutions.put(
                [Resolution(letter.key, letter.attempts, "discarded", because, getpass.getuser()) for letter in letters]
            )
    if output is Output.TABLE:
        typer.echo(f"{'would discard' if dry_run else 'discarded'} {counted(len(letters), 'dead letter')}")
    show_value(output, {"ids": [letter.id for letter in letters], "dry_run": dry_run})


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
            await redrive_all(redriver, letters, desk.originals(letters), results, only=only, progress=report)


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
    first, last = moments(since, until)
    return LetterFilter(frozenset(ids or ()), reason, definition, first, last, topic, partition, offset)
