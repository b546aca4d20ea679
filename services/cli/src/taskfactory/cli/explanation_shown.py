"""What `taskfactory explain` found, as people and programs read it."""

from collections.abc import Sequence
from typing import Final

import typer

from taskfactory.cli.output import Output, Table, counted, show
from taskfactory.intake import DeadLetter, NoEvent, ReadEvent
from taskfactory.intake.explaining import Explained, Question
from taskfactory.intake.explanation import Answered
from taskfactory.intake.explanation_values import explanation_value

SHORT: Final = 20
"""So many definitions are shown whatever they say; of more, those of other types are only counted."""


def tell(question: Question, explained: Explained, output: Output, *, everything: bool) -> None:
    """Print the answers to standard output, those that take the event first.

    Args:
        question: what was asked.
        explained: what there is to say.
        output: the format asked for.
        everything: definitions of other event types too, however many there are.
    """
    if output is not Output.TABLE:
        show(output, Table((), ()), explanation_value(question, explained))
        return
    match explained.reading:
        case ReadEvent() as read:
            _show(question, read, explained.answers, everything=everything)
        case DeadLetter() as letter:
            _show_unreadable(question, letter, explained.resolution)
        case NoEvent():
            typer.echo(f"{question.title} is no event, says the topic's mapping: nothing follows from it.")


def _show_unreadable(question: Question, letter: DeadLetter, resolution: str | None) -> None:
    where = question.title if question.placed else "the file"
    outcome = "a dead letter" if question.placed else "it would be a dead letter"
    typer.echo(f"{where} holds no event that can be read: {outcome}, whatever is defined.")
    typer.echo(f"{letter.reason}: {letter.message}")
    if question.placed:
        resolved = f" ({resolution})" if resolution else ""
        typer.echo(f"letter: {letter.id}{resolved}; `taskfactory dlq show {letter.id}` says what to do")


def _show(question: Question, read: ReadEvent, answers: Sequence[Answered], *, everything: bool) -> None:
    ordered = sorted(answers, key=lambda item: (*item.distance, item.registered.definition.name))
    envelope = read.envelope
    subject = f", subject {envelope.subject}" if envelope.subject else ""
    typer.echo(f"{question.title}: {envelope.type} {envelope.id} of {envelope.source}{subject}")
    if question.topic is None:
        typer.echo("no --topic was given: definitions that read certain topics only were asked as well")
    shown = ordered if everything or len(ordered) <= SHORT else [item for item in ordered if not item.of_another_type]
    if shown:
        typer.echo("")
        show(Output.TABLE, _table(shown), [])
    hidden = len(ordered) - len(shown)
    if hidden:
        want = "wants" if hidden == 1 else "want"
        typer.echo(f"\n{counted(hidden, 'more definition')} {want} other types of events; --all shows them too")
    if not ordered:
        typer.echo("no definition is registered; `taskfactory apply` registers them")


def _table(answers: Sequence[Answered]) -> Table:
    return Table(
        ("DEFINITION", "ANSWER", "WHY"),
        [
            (
                item.registered.definition.name + (f"@{item.registered.version}" if item.registered.version else ""),
                item.answer.value,
                item.sentence,
            )
            for item in answers
        ],
    )
