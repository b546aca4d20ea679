"""What the shape of a context source cannot say: expressions, templates, paths, headers, parameters of queries."""

from collections.abc import Iterator
from typing import Any, Final

from taskfactory.definitions.cel import CompileError, compile_expression
from taskfactory.definitions.expression_checks import context_variable, expression_problems, template_problems
from taskfactory.definitions.http_paths import header_problem, path_problem
from taskfactory.definitions.paths import Path, Problem
from taskfactory.definitions.queries import query_problem
from taskfactory.definitions.templates import TemplateError, parse_template

_TEMPLATES: Final = {
    "static": ("value",),
    "http": ("path", "query", "headers", "body"),
    "sql": ("params",),
    "plugin": ("with",),
}
"""The fields of each type that hold templates."""


def context_problems(source: dict[str, Any], path: Path, scope: frozenset[str]) -> Iterator[Problem]:
    """Check one raw source, whatever its shape.

    Args:
        source: as it was written.
        path: where it stands.
        scope: the variables that it sees.
    """
    name, kind = source.get("name"), source.get("type")
    if isinstance(name, str) and name.isidentifier():
        variable = context_variable(name)
        try:
            compile_expression(variable, frozenset({variable}))
        except CompileError:
            yield Problem((*path, "name"), f"found '{name}', a reserved word of CEL; choose another name")
    if kind == "event":
        yield from expression_problems(source.get("expression"), (*path, "expression"), scope)
    for field in _TEMPLATES.get(kind, ()) if isinstance(kind, str) else ():
        yield from template_problems(source.get(field), (*path, field), scope)
    if kind == "http":
        yield from _http_problems(source, path)
    if kind == "sql" and isinstance(query := source.get("query"), str):
        params = source.get("params")
        names = [str(each) for each in params] if isinstance(params, dict) else []
        if message := query_problem(query, names):
            yield Problem((*path, "query"), message)


def _http_problems(source: dict[str, Any], path: Path) -> Iterator[Problem]:
    if isinstance(text := source.get("path"), str) and text.startswith("/"):
        try:
            parts = parse_template(text)
        except TemplateError:
            parts = ()  # said already
        if message := path_problem(parts):
            yield Problem((*path, "path"), message)
    headers = source.get("headers")
    for header in headers if isinstance(headers, dict) else ():
        if message := header_problem(str(header)):
            yield Problem((*path, "headers", str(header)), message, at_key=True)
    if source.get("method", "GET") == "GET":
        if source.get("body") is not None:
            yield Problem((*path, "body"), "found a body with GET; allowed is one with POST, PUT or PATCH", at_key=True)
    elif source.get("cache") is not None:
        yield Problem((*path, "cache"), "found cache with a method that is not GET; only GET is cached", at_key=True)
