"""What the shape of a definition cannot say: do patterns, expressions and templates work, and are names unique?

Everything here looks at the raw document and passes over what has the wrong shape, so that one reading of a file shows
the errors of both kinds.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from taskfactory.definitions.cel import CompileError, compile_expression
from taskfactory.definitions.matching.pattern import EventPattern, InvalidPattern
from taskfactory.definitions.paths import Path, Problem
from taskfactory.definitions.templates import Code, TemplateError, key_problems, parse_template, strings

EVENT_SCOPE = frozenset({"event"})
ELEMENT_SCOPE = frozenset({"item", "index"})
MAPPING_SCOPE = frozenset({"value", "key", "headers", "topic", "partition", "offset", "timestamp"})
"""The variables that a topic mapping's expressions see."""
MAPPING_EXPRESSIONS = ("skip", "id", "source", "type", "subject", "time", "data")
"""The fields of a topic mapping that are expressions."""


def context_variable(name: str) -> str:
    """The variable under which expressions see the context value `name`."""
    return f"context.{name}"


def semantic_problems(document: Any) -> Iterator[Problem]:
    """Check a raw document, whatever its shape."""
    yield from _trigger_problems(_mapping(document, "trigger"))
    if _mapping(document, "trigger").get("type") == "cron" and "dedupe" in document:
        message = "found dedupe with a cron trigger; every tick starts one run, so leave it out"
        yield Problem(("dedupe",), message, at_key=True)
    key = _mapping(_mapping(document, "dedupe"), "key")
    yield from _expression_problems(key.get("expression"), ("dedupe", "key", "expression"), EVENT_SCOPE)
    scope = EVENT_SCOPE
    for position, source in enumerate(_list(document, "context")):
        yield from _context_problems(source, ("context", position), scope)
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
        yield from _expression_problems(text, (field,), MAPPING_SCOPE)


def pattern_problems(match: dict[str, Any]) -> Iterator[Problem]:
    """Check the event pattern; paths are relative to the definition."""
    try:
        EventPattern.parse(match)
    except InvalidPattern as error:
        yield from (Problem(("trigger", "match", *path), message) for path, message, _ in error.problems)


def _trigger_problems(trigger: dict[str, Any]) -> Iterator[Problem]:
    if isinstance(match := trigger.get("match"), dict):
        yield from pattern_problems(match)
    yield from _expression_problems(trigger.get("when"), ("trigger", "when"), EVENT_SCOPE)


def _context_problems(source: dict[str, Any], path: Path, scope: frozenset[str]) -> Iterator[Problem]:
    name = source.get("name")
    if isinstance(name, str) and name.isidentifier():
        variable = context_variable(name)
        try:
            compile_expression(variable, frozenset({variable}))
        except CompileError:
            yield Problem((*path, "name"), f"found '{name}', a reserved word of CEL; choose another name")
    if source.get("type") == "event":
        yield from _expression_problems(source.get("expression"), (*path, "expression"), scope)
    if source.get("type") == "static":
        yield from _template_problems(source.get("value"), (*path, "value"), scope)


def _task_problems(task: dict[str, Any], path: Path, scope: frozenset[str]) -> Iterator[Problem]:
    yield from _expression_problems(task.get("foreach"), (*path, "foreach"), scope)
    if "foreach" in task:
        scope |= ELEMENT_SCOPE
    yield from _expression_problems(task.get("when"), (*path, "when"), scope)
    yield from _template_problems(task.get("params"), (*path, "params"), scope)


def _expression_problems(text: Any, path: Path, scope: frozenset[str]) -> Iterator[Problem]:
    if isinstance(text, str) and text:
        try:
            compile_expression(text, scope)
        except CompileError as error:
            yield Problem(path, error.message)


def _template_problems(value: Any, path: Path, scope: frozenset[str]) -> Iterator[Problem]:
    yield from key_problems(value, path)
    for place, text in strings(value, path):
        try:
            parts = parse_template(text)
        except TemplateError as error:
            yield Problem(place, error.message)
            continue
        for part in parts:
            if isinstance(part, Code):
                yield from _expression_problems(part.expression, place, scope)


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
