"""Everything that can go wrong with a request, as RFC 9457 has it: `application/problem+json`.

A `Problem` is raised where it is found. Its `code` is what programs look at, its `detail` is for people and says what
was found, what is allowed and what to do next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:taskfactory:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """One code, as clients may rely on it."""

    status: int
    title: str


KINDS: Final[Mapping[str, Kind]] = {
    "malformed": Kind(400, "The request can't be read"),
    "unauthenticated": Kind(401, "Who calls is not known"),
    "forbidden": Kind(403, "The caller's roles do not allow this"),
    "not-found": Kind(404, "There is no such thing"),
    "method-not-allowed": Kind(405, "The path knows other methods"),
    "conflict": Kind(409, "The present state does not allow this"),
    "in-progress": Kind(409, "The same request is being answered"),
    "version-conflict": Kind(412, "Somebody else changed it first"),
    "too-large": Kind(413, "The body is too large"),
    "unsupported-media-type": Kind(415, "The body is of another type"),
    "invalid": Kind(422, "The input is wrong"),
    "idempotency-key-reused": Kind(422, "The idempotency key belongs to another request"),
    "precondition-required": Kind(428, "A change must say which version it is about"),
    "internal": Kind(500, "Something broke inside"),
    "unavailable": Kind(503, "A server that this leans on is away"),
    "not-migrated": Kind(503, "The database is not ready for this version"),
}


@dataclass(frozen=True, slots=True)
class InputError:
    """One thing that is wrong with the input, and where."""

    path: str
    """As `tasks[1].retry` in a document, `query.limit` or `body.reason` in a request."""
    message: str
    origin: str | None = None
    """The file, where it is about one."""
    line: int | None = None
    column: int | None = None


class Problem(Exception):  # noqa: N818 -- RFC 9457's word
    """Ends a request with an answer that says why.

    Attributes:
        code: one of `KINDS`.
        detail: what was found, what is allowed, what to do next.
        errors: for bad input, each thing that is wrong.
        headers: of the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        errors: Sequence[InputError] = (),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Keep them."""
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers)
        super().__init__(f"{code}: {detail}")

    @property
    def kind(self) -> Kind:
        """Status and title."""
        return KINDS[self.code]


class ErrorModel(BaseModel):
    """One thing that is wrong with the input."""

    path: str = Field(description="Where, as `tasks[1].retry`, `query.limit` or `body.reason`.")
    message: str
    origin: str | None = Field(None, description="The file, where it is about one.")
    line: int | None = None
    column: int | None = None


class ProblemModel(BaseModel):
    """How every error is answered (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="`urn:taskfactory:problem:<code>`; what programs look at.")
    title: str
    status: int
    detail: str = Field(description="What was found, what is allowed, what to do next.")
    instance: str = Field(description="The request's path.")
    request_id: str = Field(description="The same as in the header `X-Request-Id` and in the server's log.")
    errors: list[ErrorModel] | None = Field(None, description="For bad input: each thing that is wrong.")


def answer(problem: Problem, *, path: str, request_id: str) -> Response:
    """The problem as a response."""
    body: dict[str, Any] = {
        "type": URN + problem.code,
        "title": problem.kind.title,
        "status": problem.kind.status,
        "detail": problem.detail,
        "instance": path,
        "request_id": request_id,
    }
    if problem.errors:
        body["errors"] = [_without_none(each) for each in problem.errors]
    return Response(
        to_json(_encodable(body)), problem.kind.status, headers=dict(problem.headers), media_type=MEDIA_TYPE
    )


def _without_none(error: InputError) -> dict[str, Any]:
    found = {"path": error.path, "message": error.message}
    optional = {"origin": error.origin, "line": error.line, "column": error.column}
    return found | {name: value for name, value in optional.items() if value is not None}


def _encodable(value: Any) -> Any:
    """Input that is quoted may hold lone surrogates, which no JSON text in UTF-8 can carry."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {name: _encodable(item) for name, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list) else value
