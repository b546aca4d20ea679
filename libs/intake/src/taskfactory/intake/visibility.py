"""How runs and their child workflows are found and read in Temporal: search attributes, summaries, details. Pure.

Whoever starts a run uses these: ingress, the commands, the reconciler, a schedule's tick. Text comes from events, so it
is cut to what every store of Temporal takes, and nothing in it can become a link or a heading in Temporal's UI.
"""

from collections.abc import Iterator
from typing import Any, Final

import orjson
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from taskfactory.definitions import RunInput
from taskfactory.runtime.search_attributes import (
    ACTIVITY,
    ACTIVITY_ID,
    DEDUPE_KEY,
    EVENT_ID,
    EVENT_TYPE,
    KIND,
    TASK,
    VERSION,
)

KEYWORD_BYTES: Final = 255
"""SQL visibility stores keywords in `varchar(255)`."""
SUMMARY_BYTES: Final = 400
"""The server's limit of a workflow's summary."""
SHOWN_BYTES: Final = 500
"""How much of one value the details show; the server takes 20,000 bytes of them in all."""


def search_attributes(run: RunInput) -> TypedSearchAttributes:
    """The attributes of a run."""
    return TypedSearchAttributes(list(_pairs(run)))


def task_search_attributes(run: RunInput, task: str) -> TypedSearchAttributes:
    """The attributes of a child workflow that does a task: its run's, and the task's name."""
    return TypedSearchAttributes([*_pairs(run), SearchAttributePair(TASK, _keyword(task))])


def summary_of(run: RunInput) -> str:
    """What lists of workflows show beside the id: activity, version, event type, subject or event id."""
    trigger = run.trigger
    text = f"{run.activity_name} v{run.version}: {trigger.type} {trigger.subject or trigger.id}"
    return printable(text, SUMMARY_BYTES - 2)  # quotes come around it


def details_of(run: RunInput) -> str:
    """What the page of one workflow shows, in Markdown: all that identifies the run."""
    trigger = run.trigger
    lines = [
        ("Activity", f"{_code(run.activity_name)} version {run.version}, id {_code(run.activity_id)}"),
        ("Started by", run.kind if run.kind == "event" else f"{run.kind} tick"),
        ("Event", f"{_code(trigger.type)} id {_code(trigger.id)} from {_code(trigger.source)}"),
    ]
    if trigger.subject is not None:
        lines.append(("Subject", _code(trigger.subject)))
    if trigger.time is not None:
        lines.append(("Time", _code(trigger.time)))
    if trigger.topic is not None:
        record = f"topic {_code(trigger.topic)}, partition {trigger.partition}, offset {trigger.offset}"
        lines.append(("Record", record))
    lines.append(("Dedupe key", f"{run.dedupe_strategy} {_code(readable_key(run))}, generation {run.generation}"))
    return "\n".join(f"- **{name}:** {text}" for name, text in lines)


def task_details_of(run: RunInput, task_id: str) -> str:
    """The same for a child workflow that does a task."""
    return f"- **Task:** {_code(task_id)}\n{details_of(run)}"


def readable_key(run: RunInput) -> str:
    """The dedupe key's parts: strings as they are, the rest as JSON, slashes between them."""
    return "/".join(part if isinstance(part, str) else _compact_json(part) for part in run.dedupe_parts)


def printable(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8 that every store of Temporal takes: PostgreSQL refuses NUL in JSON."""
    cleaned = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return cleaned.encode()[:limit].decode(errors="ignore")


def _pairs(run: RunInput) -> Iterator[SearchAttributePair[Any]]:
    yield SearchAttributePair(ACTIVITY, _keyword(run.activity_name))
    yield SearchAttributePair(ACTIVITY_ID, _keyword(run.activity_id))
    yield SearchAttributePair(VERSION, run.version)
    yield SearchAttributePair(KIND, run.kind)
    yield SearchAttributePair(EVENT_ID, _keyword(run.trigger.id))
    yield SearchAttributePair(EVENT_TYPE, _keyword(run.trigger.type))
    yield SearchAttributePair(DEDUPE_KEY, _keyword(readable_key(run)))


def _code(text: str) -> str:
    """A code span, inside of which Markdown has no meaning."""
    return f"`{printable(text, SHOWN_BYTES).replace('`', '′')}`"  # noqa: RUF001 -- looks alike and ends no span


def _keyword(text: str) -> str:
    return printable(text, KEYWORD_BYTES)


def _compact_json(value: Any) -> str:
    return orjson.dumps(value).decode()
