"""Do expressions and templates compile with what is known at their place?"""

from collections.abc import Iterator
from typing import Any

from taskfactory.definitions.cel import CompileError, compile_expression
from taskfactory.definitions.paths import Path, Problem
from taskfactory.definitions.templates import Code, TemplateError, key_problems, parse_template, strings


def context_variable(name: str) -> str:
    """The variable under which expressions see the context value `name`."""
    return f"context.{name}"


def expression_problems(text: Any, path: Path, scope: frozenset[str]) -> Iterator[Problem]:
    """What is wrong with an expression; what is no text is passed over."""
    if isinstance(text, str) and text:
        try:
            compile_expression(text, scope)
        except CompileError as error:
            yield Problem(path, error.message)


def template_problems(value: Any, path: Path, scope: frozenset[str]) -> Iterator[Problem]:
    """What is wrong with the templates inside a JSON value."""
    yield from key_problems(value, path)
    for place, text in strings(value, path):
        try:
            parts = parse_template(text)
        except TemplateError as error:
            yield Problem(place, error.message)
            continue
        for part in parts:
            if isinstance(part, Code):
                yield from expression_problems(part.expression, place, scope)
