"""What the shape of a definition cannot say: do patterns, expressions and templates work, and are names unique?

Everything here looks at the raw document and passes over what has the wrong shape, so that one reading of a file shows
the errors of both kinds.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from taskfactory.definitions.context_checks import context_problems
from taskfactory.definitions.expression_checks import context_variable, expression_problems, template_problems
from taskfactory.definitions.matching.pattern import EventPattern, InvalidPattern
from taskfactory.definitions.paths import Path, Problem

EVENT_SCOPE = frozenset({"event"})
ELEMENT_SCOPE = frozenset({"item", "index"})
MAPPING_SCOPE = frozenset({"value", "key", "headers", "topic", "partition", "offset", "timestamp"})
"""The variables that a topic mapping's expressions see."""
MAPPING_EXPRESSIONS = ("skip", "id", "source", "type", "subject", "time", "data")
"""The fields of a topic mapping that are expressions."""


def semantic_problems(document: Any) -> Iterator[Problem]:
    """Check a raw document, whatever its shape."""
    yield from _trigger_problems(_mapping(document, "trigger"))
    if _mapping(document, "trigger").get("type") == "cron" and "dedupe" in document:
        message = "found dedupe with a cron trigger; every tick starts one run, so leave it out"
        yield Problem(("dedupe",), message, at_key=True)
    key = _mapping(_mapping(document, "dedupe"), "key")
    yield from expression_problems(key.get("expression"), ("dedupe", "key", "expression"), EVENT_SCOPE)
    scope = EVENT_SCOPE
    for position, source in enumerate(_list(document, "context")):
        yield from context_problems(source, ("context", position), scope)
        if isinstance(name := source.get("name"), str):
            scope |= {context_variable(name)}
    for position, task in enumerate(_list(document, "tasks")):
        yield from _task_problems(task, ("tasks", position), scope)
    yield from _duplicate_names(document, "context")
    yield from _duplicate_names(document, "tasks")


def mapping_problems(document: Any) -> Iterator[Problem]:
    """Check the expressions of a raw topic mapping, whatever its shape."""
    for field in MAPPING_EXPRESSIONS:
        text = document.get(field) if isinstance(document, dict) else None
        yield from expression_problems(text, (field,), MAPPING_SCOPE)


def pattern_problems(match: dict[str, Any]) -> Iterator[Problem]:
    """Check the event pattern; paths are relative to the definition."""
    try:
        EventPattern.parse(match)
    except InvalidPattern as error:
        yield from (Problem(("trigger", "match", *path), message) for path, message, _ in error.problems)


def _trigger_problems(trigger: dict[str, Any]) -> Iterator[Problem]:
    if isinstance(match := trigger.get("match"), dict):
        yield from pattern_problems(match)
    yield from expression_problems(trigger.get("when"), ("trigger", "when"), EVENT_SCOPE)


def _task_problems(task: dict[str, Any], path: Path, scope: frozenset[str]) -> Iterator[Problem]:
    yield from expression_problems(task.get("foreach"), (*path, "foreach"), scope)
    if "foreach" in task:
        scope |= ELEMENT_SCOPE
    yield from expression_problems(task.get("when"), (*path, "when"), scope)
    yield from template_problems(task.get("params"), (*path, "params"), scope)


def _duplicate_names(document: Any, section: str) -> Iterator[Problem]:
    counts: Counter[str] = Counter()
    for position, element in enumerate(_list(document, section)):
        if isinstance(name := element.get("name"), str):
            counts[name] += 1
            if counts[name] > 1:
                yield Problem((section, position, "name"), f"found '{name}' again; names are unique within {section}")


def _mapping(document: Any, field: str) -> dict[str, Any]:
    value = document.get(field) if isinstance(document, dict) else None
    return value if isinstance(value, dict) else {}


def _list(document: Any, field: str) -> list[dict[str, Any]]:
    value = document.get(field) if isinstance(document, dict) else None
    # A broken element keeps its place, so that positions stay right.
    return [element if isinstance(element, dict) else {} for element in value] if isinstance(value, list) else []
