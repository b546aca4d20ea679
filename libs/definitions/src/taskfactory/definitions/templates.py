"""`${…}` templates inside JSON values.

A string that is exactly one `${expression}` keeps the value's type. In a longer string, text, numbers and booleans are
filled in; null, lists and maps are refused there. `$${` stands for a literal `${`. Keys are never templates.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from taskfactory.definitions.cel import Bindings
from taskfactory.definitions.paths import Path, Problem

_MARK = re.compile(r"\$\$\{|\$\{")
# What hides a brace inside an expression: raw and ordinary strings, triple-quoted first.
_STRING = re.compile(
    r"""(?P<raw>[bB]?[rR][bB]?)?(?:"{3}|'{3}|"|')""",
)


class TemplateError(ValueError):
    """A template is malformed, or its value cannot stand inside a longer text."""

    def __init__(self, template: str, message: str) -> None:
        """Take the template as written and a sentence."""
        super().__init__(message)
        self.template = template
        self.message = message


class Code(NamedTuple):
    """One expression of a template."""

    expression: str


@lru_cache(maxsize=16_384)
def parse_template(text: str) -> tuple[str | Code, ...]:
    """Split a string into literal text and expressions; text without `${` is one literal.

    Raises:
        TemplateError: `${` without `}`, or nothing between them.
    """
    parts: list[str | Code] = []
    literal = ""
    position = 0
    while mark := _MARK.search(text, position):
        literal += text[position : mark.start()]
        if mark.group() == "$${":
            literal += "${"
            position = mark.end()
            continue
        end = _closing_brace(text, mark.end())
        expression = text[mark.end() : end].strip()
        if not expression:
            raise TemplateError(text, "found ${} with nothing in it; allowed is ${expression}, or $${ for a literal ${")
        if literal:
            parts.append(literal)
            literal = ""
        parts.append(Code(expression))
        position = end + 1
    literal += text[position:]
    return (*parts, literal) if literal or not parts else tuple(parts)


def render_template(text: str, bindings: Bindings) -> Any:
    """Fill in one string.

    Raises:
        TemplateError: Null, a list or a map inside a longer text.
        EvaluationError: An expression has no value.
    """
    parts = parse_template(text)
    if len(parts) == 1 and isinstance(parts[0], Code):
        return bindings.evaluate(parts[0].expression)
    return "".join(
        part if isinstance(part, str) else _as_text(text, part, bindings.evaluate(part.expression)) for part in parts
    )


def strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every string of a JSON value that may be a template, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, element in value.items():
            yield from strings(element, (*path, key))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from strings(element, (*path, index))


def key_problems(value: Any, path: Path) -> Iterator[Problem]:
    """Keys that look like templates: their author expects what does not happen."""
    if isinstance(value, dict):
        for key, element in value.items():
            if "${" in key:
                yield Problem((*path, key), "found ${…} in a key; templates are allowed in values only", at_key=True)
            yield from key_problems(element, (*path, key))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from key_problems(element, (*path, index))


def _closing_brace(text: str, position: int) -> int:
    depth = 1
    start = position
    while position < len(text):
        if string := _STRING.match(text, position):
            position = _end_of_string(text, string)
            continue
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position
        position += 1
    raise TemplateError(text, f"found ${{ at character {start - 1} without its }}; write $${{ for a literal ${{")


def _end_of_string(text: str, opening: re.Match[str]) -> int:
    quote = opening.group().lstrip("bBrR")
    position = opening.end()
    while position < len(text) and not text.startswith(quote, position):
        position += 2 if text[position] == "\\" and not opening["raw"] else 1
    return position + len(quote)


def _as_text(template: str, part: Code, value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, list | dict):
        found = "null" if value is None else "a list" if isinstance(value, list) else "a map"
        message = f"${{{part.expression}}} is {found}; inside a longer text only text, numbers and booleans are allowed"
        raise TemplateError(template, message)
    return json.dumps(value)
