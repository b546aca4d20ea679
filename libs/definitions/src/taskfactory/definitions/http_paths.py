"""Paths and headers of requests that definitions describe: none leaves the base URL, none carries another request.

A path is looked at the way a careless server or proxy might read it: percent-encoding is undone until nothing changes
any more, and what follows a semicolon is a parameter, so that `..;` leads upwards. What is filled in may not hold a
slash or a backslash at all; it is text within one segment.
"""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, unquote

from taskfactory.definitions.suggestions import found
from taskfactory.definitions.templates import Code

RESERVED_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "if-none-match",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-prefix",
        "x-forwarded-uri",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-url",
        "x-real-ip",
        "x-rewrite-url",
    }
)
"""Credentials are the connection's, framing is the client's; and a method or path that some servers take from a header
would lead past what the operator allows."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\?#]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_STAND_IN: Final = "x"
_MOST_DECODINGS: Final = 5


def path_problem(parts: Sequence[str | Code]) -> str | None:
    """What is wrong with a path as it is written, whatever will be filled in; None if nothing is.

    Args:
        parts: of the template; the first is text that begins with `/`, or the path has no text at all.
    """
    return whole_path_problem("".join(_STAND_IN if isinstance(part, Code) else part for part in parts))


def whole_path_problem(path: str) -> str | None:
    """What is wrong with a path that is filled in, or that stands without templates; None if nothing is."""
    if not path.isascii() or (unsafe := _UNSAFE.search(path)):
        shown = found(unsafe.group()) if path.isascii() and unsafe else "characters beyond ASCII"
        return f"found {shown} in the path; allowed is what needs no escaping, query parameters stand in `query`"
    segments = path.split("/")[1:]
    for position, segment in enumerate(segments):
        if not segment and position < len(segments) - 1:
            return "found // in the path; allowed is one slash between two segments"
        plain = _decoded(segment)
        if plain.partition(";")[0] in (".", ".."):
            return f"found the segment {found(segment)}; a path never leads upwards"
        if _CONTROL.search(plain) or "/" in plain or "\\" in plain:
            return f"found {found(segment)}, which hides a slash, a backslash or a control character"
    return None


def segment_text(value: str) -> str | None:
    """A value as part of one segment of a path; None for text that can't be that."""
    if not value or _CONTROL.search(value) or "/" in value or "\\" in value:
        return None
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:  # a lone surrogate
        return None


def header_problem(name: str) -> str | None:
    """What is wrong with a header's name; None if nothing is."""
    if not _TOKEN.fullmatch(name):
        return f"found {found(name)}; allowed are letters, digits and hyphens"
    if name.lower() in RESERVED_HEADERS:
        return (
            f"found {found(name)}; credentials belong to the connection, framing is the client's, and method and path "
            "stand in `method` and `path`"
        )
    return None


def header_text(value: str) -> str | None:
    """A header's value without space around it; None for one that could end the header or is not ASCII."""
    return value.strip(" \t") if value.isascii() and not _CONTROL.search(value.replace("\t", " ")) else None


def _decoded(segment: str) -> str:
    for _ in range(_MOST_DECODINGS):
        plain = unquote(segment)
        if plain == segment:
            return plain
        segment = plain
    return "/"  # encoded that often: whatever it is, it means no good
