"""From an `http` source and what it sees to the request that is to be sent, without address and credentials. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from taskfactory.definitions.cel import Bindings, EvaluationError
from taskfactory.definitions.context_sources import HttpContext
from taskfactory.definitions.filling import RenderFailed, fill
from taskfactory.definitions.http_paths import header_text, segment_text, whole_path_problem
from taskfactory.definitions.paths import Path, render_path
from taskfactory.definitions.suggestions import found
from taskfactory.definitions.templates import Code, parse_template

_TEXTS: Final = "allowed are text, numbers and booleans"


class HttpRequest(NamedTuple):
    """What is to be sent, below a base URL that is not known here."""

    method: str
    path: str
    """Percent-encoded; begins with `/` and leads nowhere upwards."""
    query: tuple[tuple[str, str], ...]
    """Not encoded."""
    headers: Mapping[str, str]
    body: bytes | None
    """JSON in UTF-8."""


def render_request(source: HttpContext, place: Path, bindings: Bindings) -> HttpRequest:
    """Fill in the templates.

    Args:
        source: what the author wrote.
        place: where it stands in the definition.
        bindings: the event and the context above the source.

    Raises:
        RenderFailed: An expression fails, or gives what can't stand at its place.
    """
    query = fill(source.query, (*place, "query"), bindings)
    body = None if source.body is None else fill(source.body, (*place, "body"), bindings)
    return HttpRequest(
        method=source.method,
        path=_path(source.path, (*place, "path"), bindings),
        query=tuple(_pairs(query, (*place, "query"))),
        headers=dict(_headers(source.headers, (*place, "headers"), bindings)),
        body=None if body is None else json.dumps(body, allow_nan=False).encode(),
    )


def _path(template: str, place: Path, bindings: Bindings) -> str:
    parts = (part if isinstance(part, str) else _segment(part, place, bindings) for part in parse_template(template))
    path = "".join(parts)
    if message := whole_path_problem(path):
        raise RenderFailed("template_error", render_path(place), template, message)
    return path


def _segment(part: Code, place: Path, bindings: Bindings) -> str:
    try:
        value = bindings.evaluate(part.expression)
    except EvaluationError as error:
        raise RenderFailed("cel_error", render_path(place), error.expression, error.message) from error
    text = _as_text(value)
    segment = None if text is None else segment_text(text)
    if segment is None:
        message = f"the value can't be part of a path; {_TEXTS}, not empty, without slashes and control characters"
        raise RenderFailed("template_error", render_path(place), f"${{{part.expression}}}", message)
    return segment


def _pairs(query: Mapping[str, Any], place: Path) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        for element in value if isinstance(value, list) else [value]:
            if element is None:
                continue
            text = _as_text(element)
            if text is None:
                message = f"the value is {found(element)}; {_TEXTS}, and lists of them"
                raise RenderFailed("template_error", render_path((*place, name)), None, message)
            yield name, text


def _headers(headers: Mapping[str, str], place: Path, bindings: Bindings) -> Iterator[tuple[str, str]]:
    for name, template in headers.items():
        text = _as_text(fill(template, (*place, name), bindings))
        value = None if text is None else header_text(text)
        if value is None:
            message = "the value can't be a header's; allowed is ASCII text without control characters"
            raise RenderFailed("template_error", render_path((*place, name)), template, message)
        yield name, value


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | int | float) else None
