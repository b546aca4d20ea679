"""What `taskfactory explain` found, as people and programs read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import typer

from taskfactory.cli.output import Output, Table, counted, show
from taskfactory.intake import DeadLetter, NoEvent, ReadEvent, ReadResult, Record
from taskfactory.intake.explanation import Answered

SHORT: Final = 20
"""So many definitions are shown whatever they say; of more, those of other types are only counted."""


@dataclass(frozen=True)
class Question:
    """What is to be explained."""

    record: Record
    topic: str | None
    """None when nobody said where the event would be read."""
    placed: bool
    """The record is in Kafka; otherwise it comes from a file."""

    @property
    def title(self) -> str:
        """How the record is called in sentences."""
        record = self.record
        return f"record {record.topic}/{record.partition}/{record.offset}" if self.placed else "the event"


@dataclass(frozen=True)
class Found:
    """What there is to say."""

    reading: ReadResult
    answers: Sequence[Answered] = ()
    """Every definition's, if there is an event."""
    resolution: str | None = None
    """How the dead letter of the record itself was resolved, if it was."""


def tell(question: Question, found: Found, output: Output, *, everything: bool) -> None:
    """Print the answers to standard output, those that take the event first.

    Args:
        question: what was asked.
        found: what there is to say.
        output: the format asked for.
        everything: definitions of other event types too, however many there are.
    """
    match found.reading:
        case ReadEvent() as read:
            _show(question, read, found.answers, output, everything=everything)
        case DeadLetter() as letter:
            _show_unreadable(question, letter, found.resolution, output)
        case NoEvent():
            value = {**_described(question), "passed_over": True, "definitions": []}
            sentence = f"{question.title} is no event, says the topic's mapping: nothing follows from it."
            _show_sentences([sentence], value, output)


def _show_unreadable(question: Question, letter: DeadLetter, resolution: str | None, output: Output) -> None:
    told = {
        "reason": letter.reason,
        "message": letter.message,
        "letter": letter.id if question.placed else None,
        "resolution": resolution,
    }
    where = question.title if question.placed else "the file"
    outcome = "a dead letter" if question.placed else "it would be a dead letter"
    sentences = [
        f"{where} holds no event that can be read: {outcome}, whatever is defined.",
        f"{letter.reason}: {letter.message}",
    ]
    if question.placed:
        resolved = f" ({resolution})" if resolution else ""
        sentences.append(f"letter: {letter.id}{resolved}; `taskfactory dlq show {letter.id}` says what to do")
    _show_sentences(sentences, {**_described(question), "dead_lettered": told, "definitions": []}, output)


def _show_sentences(sentences: Sequence[str], value: dict[str, Any], output: Output) -> None:
    if output is not Output.TABLE:
        show(output, Table((), ()), value)
        return
    for sentence in sentences:
        typer.echo(sentence)


def _show(
    question: Question, read: ReadEvent, answers: Sequence[Answered], output: Output, *, everything: bool
) -> None:
    ordered = sorted(answers, key=lambda item: (*item.distance, item.registered.definition.name))
    if output is not Output.TABLE:
        values = {**_described(question, read), "definitions": [_value(item, question) for item in ordered]}
        show(output, Table((), ()), values)
        return
    envelope = read.envelope
    subject = f", subject {envelope.subject}" if envelope.subject else ""
    typer.echo(f"{question.title}: {envelope.type} {envelope.id} of {envelope.source}{subject}")
    if question.topic is None:
        typer.echo("no --topic was given: definitions that read certain topics only were asked as well")
    shown = ordered if everything or len(ordered) <= SHORT else [item for item in ordered if not item.of_another_type]
    if shown:
        typer.echo("")
        show(output, _table(shown), [])
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


def _described(question: Question, read: ReadEvent | None = None) -> dict[str, Any]:
    record = question.record
    described: dict[str, Any] = {"topic": question.topic}
    if question.placed:
        described |= {"partition": record.partition, "offset": record.offset, "timestamp": record.timestamp}
    if read is not None:
        envelope = read.envelope
        described["event"] = {
            "source": envelope.source,
            "id": envelope.id,
            "type": envelope.type,
            "subject": envelope.subject,
        }
    return described


def _value(item: Answered, question: Question) -> dict[str, Any]:
    return {
        "name": item.registered.definition.name,
        "version": item.registered.version or None,
        "answer": item.answer.value,
        "sentence": item.sentence,
        "run_id": item.run.run_id if item.run else None,
        "held_by": item.held_by.run_id if item.held_by else None,
        "reason": item.letter.reason if item.letter else None,
        "letter": item.letter.id if item.letter and question.placed else None,
        "resolution": item.resolution,
        "mismatches": [mismatch._asdict() for mismatch in item.mismatches],
    }
