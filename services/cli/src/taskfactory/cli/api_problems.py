"""How a command ends when the Admin API says no: problem details (RFC 9457) become sentences and an exit status."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from taskfactory.cli.errors import BadInput, CommandFailed, Conflict, NotFound, OperationFailed

WRONG_INPUT: Final = frozenset({400, 405, 413, 415, 422, 428})
CONFLICTS: Final = frozenset({409, 412})
QUERY: Final = "query."
LISTS: Final = {
    "GET /v1/dead-letters": "`taskfactory dlq list`",
    "GET /v1/definitions": "`taskfactory get definitions`",
    "GET /v1/runs": "`taskfactory runs list`",
    "GET /v1/schedules": "`taskfactory schedules list`",
    "GET /v1/tasks": "`taskfactory tasks list`",
}
"""Where the API sends people, and what they would call here."""
KEY_HINT: Final = "TASKFACTORY_API_KEY is what was sent."


@dataclass(frozen=True)
class Problem:
    """What the API, or something before it, said."""

    status: int
    code: str
    """The last part of the problem's `type`; empty when the answer is no problem document."""
    detail: str
    """A sentence."""
    errors: tuple[str, ...] = ()
    """What is wrong with the input, `file:line:column: path: message` each."""

    @property
    def failure(self) -> CommandFailed:
        """The error to raise."""
        if self.errors or self.status in WRONG_INPUT:
            return BadInput(self.errors or [self.detail])
        if self.status in CONFLICTS:
            return Conflict([self.detail])
        if self.status == HTTPStatus.NOT_FOUND and self.code:
            return NotFound(self.detail)
        return OperationFailed(self.detail, KEY_HINT if self.status == HTTPStatus.UNAUTHORIZED else None)


def problem_of(status: int, content: bytes, where: str) -> Problem:
    """Read an answer that is no success.

    Args:
        status: HTTP's.
        content: the body, whatever it is.
        where: the API's address, for answers that say nothing themselves.
    """
    try:
        said = json.loads(content)
    except ValueError:
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("type"), str):
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
        return Problem(status, "", f"{where} answered {f'{status} {phrase}'.strip()}, which is no answer of our API.")
    errors = tuple(_line(item) for item in said.get("errors") or ())
    detail = str(said.get("detail") or said.get("title") or status)
    for route, command in LISTS.items():
        detail = detail.replace(f"{route} lists", f"{command} lists")
    return Problem(status, said["type"].rpartition(":")[2], detail, errors)


def _line(error: Mapping[str, Any]) -> str:
    """As definition errors are shown everywhere; what a request's parameter is, an option was."""
    place = error.get("origin") or ""
    path = str(error.get("path") or "")
    if path.startswith(QUERY):
        return f"--{path.removeprefix(QUERY).replace('_', '-')}: {error.get('message')}"
    if error.get("line") is not None:
        place = f"{place or 'line'}:{error['line']}:{error.get('column') or 1}"
    return ": ".join(str(part) for part in (place, path, error.get("message")) if part)
