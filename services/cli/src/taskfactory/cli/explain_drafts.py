"""What drafts in files make of an event: decided here, without a registry."""

import asyncio
from collections.abc import Sequence
from typing import Any

from taskfactory.cli.documents import read_documents
from taskfactory.cli.errors import BadInput, NotFound
from taskfactory.cli.history import history
from taskfactory.cli.reading import event_reader
from taskfactory.cli.settings import CliSettings
from taskfactory.definitions import Documents
from taskfactory.intake.explaining import (
    Explained,
    NobodyToAsk,
    NoRecord,
    Question,
    explain_by_drafts,
    given_event,
    record_at,
)
from taskfactory.intake.explanation_values import explanation_value


def explained_by_drafts(
    file: Sequence[str],
    content: bytes | None,
    place: tuple[int | None, int | None] | None,
    topic: str | None,
    definition: str | None,
) -> dict[str, Any]:
    """An explanation as the API gives it, by the definitions of these files alone.

    Args:
        file: what `--file` names.
        content: the event; None when it is a record.
        place: the record's partition and offset.
        topic: where the event is, or would be read.
        definition: only the draft of this name.

    Raises:
        BadInput: the files are wrong, or have no such definition.
        NotFound: there is no such record.
    """
    documents = read_documents(file)
    settings = CliSettings()
    question = _record(settings, topic, place) if content is None else given_event(content, topic)
    return explanation_value(question, asyncio.run(_by_drafts(documents, settings, question, definition)))


def _record(settings: CliSettings, topic: str | None, place: tuple[int | None, int | None] | None) -> Question:
    partition, offset = place or (0, 0)
    with history(settings) as past:
        try:
            return record_at(past, topic or "", partition or 0, offset or 0)
        except NoRecord as error:
            raise NotFound(str(error)) from error


async def _by_drafts(documents: Documents, settings: CliSettings, question: Question, name: str | None) -> Explained:
    async with event_reader(settings) as reader:
        try:
            return await explain_by_drafts(reader, settings.decision_limits, question, documents, name)
        except NobodyToAsk as error:
            found = ", ".join(error.known)
            raise BadInput([f"--definition {name}: the files define {found or 'none'}"]) from error
