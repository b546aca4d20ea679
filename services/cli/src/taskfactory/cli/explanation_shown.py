"""What `taskfactory explain` found, as people read it; `-o json` is the API's own answer."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import typer

from taskfactory.cli.output import Output, Table, counted, show

SHORT: Final = 20
"""So many definitions are shown whatever they say; of more, those of other types are only counted."""


def tell(explanation: Mapping[str, Any], output: Output, *, everything: bool) -> None:
    """Print the answers to standard output, those that take the event first.

    Args:
        explanation: as `POST /v1/explain` answers.
        output: the format asked for.
        everything: definitions of other event types too, however many there are.
    """
    if output is not Output.TABLE:
        show(output, Table((), ()), explanation)
    elif "event" in explanation:
        _show(explanation, everything=everything)
    elif "dead_lettered" in explanation:
        _show_unreadable(explanation)
    else:
        typer.echo(f"{_title(explanation)} is no event, says the topic's mapping: nothing follows from it.")


def _is_placed(explanation: Mapping[str, Any]) -> bool:
    """Whether it is about a record in Kafka, and not about a file."""
    return "offset" in explanation


def _title(explanation: Mapping[str, Any]) -> str:
    if not _is_placed(explanation):
        return "the event"
    return f"record {explanation['topic']}/{explanation['partition']}/{explanation['offset']}"


def _show_unreadable(explanation: Mapping[str, Any]) -> None:
    placed = _is_placed(explanation)
    letter = explanation["dead_lettered"]
    where = _title(explanation) if placed else "the file"
    outcome = "a dead letter" if placed else "it would be a dead letter"
    typer.echo(f"{where} holds no event that can be read: {outcome}, whatever is defined.")
    typer.echo(f"{letter['reason']}: {letter['message']}")
    if placed:
        resolved = f" ({letter['resolution']})" if letter["resolution"] else ""
        typer.echo(f"letter: {letter['letter']}{resolved}; `taskfactory dlq show {letter['letter']}` says what to do")


def _show(explanation: Mapping[str, Any], *, everything: bool) -> None:
    answers = explanation["definitions"]
    event = explanation["event"]
    subject = f", subject {event['subject']}" if event["subject"] else ""
    typer.echo(f"{_title(explanation)}: {event['type']} {event['id']} of {event['source']}{subject}")
    if explanation["topic"] is None:
        typer.echo("no --topic was given: definitions that read certain topics only were asked as well")
    shown = answers if everything or len(answers) <= SHORT else [item for item in answers if not _of_another_type(item)]
    if shown:
        typer.echo("")
        show(Output.TABLE, _table(shown), [])
    hidden = len(answers) - len(shown)
    if hidden:
        want = "wants" if hidden == 1 else "want"
        typer.echo(f"\n{counted(hidden, 'more definition')} {want} other types of events; --all shows them too")
    if not answers:
        typer.echo("no definition is registered; `taskfactory apply` registers them")


def _of_another_type(answer: Mapping[str, Any]) -> bool:
    """Whether the pattern names other types of events: not even a near miss."""
    return any(mismatch["path"] == "type" for mismatch in answer["mismatches"])


def _table(answers: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        ("DEFINITION", "ANSWER", "WHY"),
        [
            (
                item["name"] + (f"@{item['version']}" if item["version"] else ""),
                item["answer"],
                item["sentence"],
            )
            for item in answers
        ],
    )
