"""What the libraries raise, as problems: the one place that knows which of their errors means which answer."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from fastapi.exceptions import RequestValidationError
from psycopg import errors as postgres
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.admin.problems import InputError, Problem
from taskfactory.definitions import InvalidDefinitions
from taskfactory.intake import Unavailable, UnknownTopic, WriterFailed
from taskfactory.intake.schedules import BackfillRefused
from taskfactory.registry import (
    DuplicateNames,
    NameTaken,
    NoShadow,
    NoShadowMappings,
    Refused,
    UnknownDefinition,
    UnknownIds,
    UnknownKeys,
    UnknownNames,
    UnknownVersion,
    VersionConflict,
)

RETRY_AFTER: Final = {"Retry-After": "2"}
"""Seconds; servers that restart are back in about that time, and an early question costs little."""
_NOT_MIGRATED: Final = (postgres.UndefinedTable, postgres.UndefinedColumn, postgres.UndefinedFunction)
_HTTP: Final = {400: "malformed", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}
_SAID: Final = {"extra_forbidden": "unknown field; GET /openapi.json lists those that are known"}
"""Sentences for those of Pydantic's that leave out what is allowed."""
_BOUNDS: Final = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
"""Pydantic's sentences about ranges leave out what was found; here are our words, and where it keeps the bound."""
_SHOWN_DIGITS: Final = 40
_TEMPORAL_AWAY: Final = frozenset(
    {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED}
)


def as_problem(error: Exception) -> Problem | None:
    """The problem that an error is answered with; None for one that nobody foresaw."""
    if isinstance(error, Problem):
        return error
    for kind, told in _TOLD.items():
        if isinstance(error, kind):
            return told(error)
    return None


def away(what: str, hint: str) -> Problem:
    """A server does not answer."""
    return Problem("unavailable", f"{what} Try again; {hint}", headers=RETRY_AFTER)


def _request(error: RequestValidationError) -> Problem:
    found = error.errors()
    for each in found:
        if each["type"] == "json_invalid":
            where = each["loc"][-1]
            return Problem("malformed", f"The body is no JSON: {each['ctx']['error']} at character {where}.")
    errors = [InputError(_path(each["loc"]), _said(each)) for each in found]
    errors = [replace(each, message=each.message.removeprefix("Value error, ")) for each in errors]
    return Problem("invalid", f"{len(errors)} thing(s) in the request can't be used; `errors` names each.", errors)


def _said(error: Mapping[str, Any]) -> str:
    kind = error["type"]
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"found {str(error['input'])[:_SHOWN_DIGITS]}; allowed is {words} {error['ctx'][bound]}"
    return _SAID.get(kind, str(error["msg"]))


def _path(place: tuple[Any, ...]) -> str:
    path = ""
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _http(error: HTTPException) -> Problem:
    headers = dict(error.headers or {})
    if error.status_code == 404:  # noqa: PLR2004 -- what Starlette raises when no route fits
        return Problem("not-found", "No route has this path; GET /openapi.json lists them all.")
    if error.status_code == 405:  # noqa: PLR2004 -- the same
        return Problem("method-not-allowed", f"Allowed here: {headers.get('Allow', '-')}.", headers=headers)
    return Problem(_HTTP.get(error.status_code, "malformed"), str(error.detail), headers=headers)


def _database(error: DBAPIError) -> Problem | None:
    if isinstance(error.orig, _NOT_MIGRATED):
        detail = "The database lacks tables of this version. Run `taskfactory migrate` first."
        return Problem("not-migrated", detail)  # no Retry-After: waiting does not help
    if error.connection_invalidated or isinstance(error.orig, postgres.OperationalError):
        return away("PostgreSQL does not answer.", "if it stays so, see whether it runs and can be reached.")
    return None


def _pool(_: PoolTimeout) -> Problem:
    return away("Every connection to PostgreSQL was busy for too long.", "with fewer requests at once.")


def _temporal(error: RPCError) -> Problem | None:
    if error.status in _TEMPORAL_AWAY:
        return away(f"Temporal does not answer ({error.status.name}).", "if it stays so, see whether it runs.")
    return None


def _kafka(error: KafkaException) -> str:
    cause = error.args[0] if error.args else None
    return cause.str().rstrip(".") if isinstance(cause, KafkaError) else f"{error}"


def _definitions(error: InvalidDefinitions) -> Problem:
    errors = [InputError(each.path, each.message, each.origin, each.line, each.column) for each in error.errors]
    return Problem("invalid", f"{len(errors)} thing(s) in the documents are wrong; `errors` names each.", errors)


_TOLD: Final[dict[type[Exception], Callable[[Any], Problem | None]]] = {
    RequestValidationError: _request,
    HTTPException: _http,
    InvalidDefinitions: _definitions,
    BackfillRefused: lambda error: Problem("invalid", f"{error}.", [InputError("body", f"{error}")]),
    DuplicateNames: lambda error: Problem("invalid", f"{error}.", [InputError("", f"{error}")]),
    Refused: lambda error: Problem("invalid", f"{error}."),
    UnknownNames: lambda error: Problem("not-found", f"{error}."),
    UnknownVersion: lambda error: Problem("not-found", f"{error}."),
    UnknownKeys: lambda error: Problem("not-found", f"{error}."),
    NoShadowMappings: lambda error: Problem("invalid", f"{error}."),
    NoShadow: lambda error: Problem("conflict", f"{error}."),
    NameTaken: lambda error: Problem("conflict", f"{error}."),
    VersionConflict: lambda error: Problem("version-conflict", f"{error}."),
    UnknownDefinition: lambda error: Problem("not-found", f"{error}."),
    UnknownIds: lambda error: Problem("not-found", f"{error}."),
    Unavailable: lambda error: away(f"A server does not answer: {error.message.rstrip('.')}.", "it may be back soon."),
    WriterFailed: lambda error: away(f"Kafka does not answer: {error}.", "it may be back soon."),
    PoolTimeout: _pool,
    DBAPIError: _database,
    RPCError: _temporal,
    UnknownTopic: lambda error: Problem("not-found", f"Found: {error}; check its name, and the cluster's address."),
    KafkaException: lambda error: away(f"Kafka does not answer: {_kafka(error)}.", "it may be back soon."),
}
