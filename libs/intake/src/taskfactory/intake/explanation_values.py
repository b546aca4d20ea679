"""An explanation for programs: what `taskfactory explain -o json` prints and the Admin API answers. Pure."""

from typing import Any

from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.explaining import Explained, Question
from taskfactory.intake.explanation import Answered
from taskfactory.intake.reading import NoEvent, ReadEvent


def explanation_value(question: Question, explained: Explained) -> dict[str, Any]:
    """Everything, those that take the event first; JSON values."""
    match explained.reading:
        case ReadEvent() as read:
            ordered = sorted(explained.answers, key=lambda item: (*item.distance, item.registered.definition.name))
            return {**_described(question, read), "definitions": [answer_value(item, question) for item in ordered]}
        case DeadLetter() as letter:
            told = {
                "reason": letter.reason,
                "message": letter.message,
                "letter": letter.id if question.placed else None,
                "resolution": explained.resolution,
            }
            return {**_described(question), "dead_lettered": told, "definitions": []}
        case NoEvent():
            return {**_described(question), "passed_over": True, "definitions": []}


def answer_value(item: Answered, question: Question) -> dict[str, Any]:
    """One definition's answer; JSON values."""
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
