"""Examples of problems: for each code that a status has first, what its answer says."""

from collections.abc import Mapping
from typing import Any, Final

from taskfactory.admin.examples import shop
from taskfactory.admin.problems import KINDS, URN

DETAILS: Final[Mapping[int, str]] = {
    400: "The body is no JSON: Expecting value at character 11.",
    401: "Found no Authorization header; send `Authorization: Bearer` with an API key or a token.",
    403: "key:ben has the role(s) assignee, which do not allow this; ask somebody for a key that has one that does.",
    404: "There is nothing of this name here; the list that belongs to this path has the names.",
    409: "The present state does not allow this; read how it stands, then decide anew.",
    412: "Found the ETag 4-18, and this is based on 3-17: read it again, then decide anew.",
    413: "The body may have 5,000,000 bytes at most; send less, or in several requests.",
    415: "Found 'text/plain'; allowed is application/json.",
    422: "1 thing(s) in the request can't be used; `errors` names each.",
    428: "Send `If-Match` with the ETag that this is based on, or `If-Match: *`.",
    500: "This was not foreseen; the server's log has it under the request's id.",
    503: "PostgreSQL does not answer. Try again; if it stays so, see whether it runs and can be reached.",
}
IN_BODY: Final = {
    "path": "body.verbose",
    "message": "unknown field; GET /openapi.json lists those that are known",
}
IN_QUERY: Final = {
    "path": "query.verbose",
    "message": "unknown parameter 'verbose'; GET /openapi.json lists the others",
}
PLACES: Final[Mapping[str, str]] = {
    "{name}": "low-stock",
    "{version}": "3",
    "{topic}": "payments",
    "{key_id}": "k3v9q2ax",
    "{run_id}": shop.RUN,
    "{task_id}": f"{shop.RUN}/pack",
    "{letter}": shop.LETTER,
}
"""What the story has in the places of a path."""


def problem(status: int, path: str, *, with_body: bool) -> dict[str, Any]:
    """A problem document.

    Args:
        status: HTTP's, one of `DETAILS`.
        path: as declared, with its parameters in braces.
        with_body: whether the operation takes one.
    """
    for place, name in PLACES.items():
        path = path.replace(place, name)
    code, kind = next((code, kind) for code, kind in KINDS.items() if kind.status == status)
    told = {
        "type": URN + code,
        "title": kind.title,
        "status": status,
        "detail": DETAILS[status],
        "instance": path,
        "request_id": shop.REQUEST,
    }
    return told if code != "invalid" else {**told, "errors": [IN_BODY if with_body else IN_QUERY]}
