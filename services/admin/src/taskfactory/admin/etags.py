"""Which version a change is about: ETag and If-Match as RFC 9110 has them, for definitions."""

import re
from typing import Annotated, Final

from fastapi import Depends, Header

from taskfactory.admin.problems import InputError, Problem

ANY: Final = "*"
_STRONG: Final = re.compile(r'"([\x21\x23-\x7e]*)"')


def quoted(etag: str) -> str:
    """The header's form of a strong tag."""
    return f'"{etag}"'


def _required(
    if_match: Annotated[
        str | None,
        Header(description='The `ETag` of what is to be changed, quotes included, or `*` for "whichever it is".'),
    ] = None,
) -> str:
    """What `If-Match` says.

    Raises:
        Problem: `precondition-required` without the header, `invalid` for one that can't be used.
    """
    if if_match is None:
        raise Problem(
            "precondition-required",
            "A change says which version it is about: send If-Match with the ETag that you read, or with * to change "
            "whichever version is there.",
        )
    return _tag("If-Match", if_match)


IfMatch = Annotated[str, Depends(_required)]
"""For an endpoint's parameter: the tag without its quotes, or `*`; without the header, the request ends with 428."""


def optional_tag(header: str, value: str | None) -> str | None:
    """The tag of a header that may be missing.

    Raises:
        Problem: `invalid`: there is more than one tag, or a weak one.
    """
    return None if value is None else _tag(header, value)


def _tag(header: str, value: str) -> str:
    value = value.strip()
    if value == ANY:
        return ANY
    found = _STRONG.fullmatch(value)
    if found is None:
        message = f'found {value[:100]!r}; allowed is one strong tag in quotes as in ETag, such as "3-17", or *'
        raise Problem("invalid", f"{header} can't be used.", [InputError(f"header.{header}", message)])
    return found[1]
