"""What a `datacontenttype` says about the shape of `data`.

Invariant: every content type is exactly one of JSON, text and opaque. An absent one is JSON
(CloudEvents JSON format 1.0.2, section 3.1.1).
"""

from functools import lru_cache
from typing import Final

_KNOWN: Final = 64
"""So many content types are remembered: a topic has few, and a stranger's can be long."""
_UTF8_NAMES: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})


@lru_cache(maxsize=_KNOWN)
def essence(content_type: str) -> str:
    """`type/subtype` in lower case, without parameters (RFC 2045, section 5.1)."""
    return content_type.partition(";")[0].strip().lower()


@lru_cache(maxsize=_KNOWN)
def charset(content_type: str) -> str:
    """The `charset` parameter in lower case, or an empty string."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return ""


def is_utf8(content_type: str) -> bool:
    """Whether text of this content type is UTF-8: declared so, or nothing declared."""
    return charset(content_type) in _UTF8_NAMES


@lru_cache(maxsize=_KNOWN)
def is_json(content_type: str | None) -> bool:
    """Whether `data` is a JSON value: `*/json`, `*/*+json`, or no content type at all."""
    return content_type is None or essence(content_type).endswith(("/json", "+json"))


@lru_cache(maxsize=_KNOWN)
def is_text(content_type: str | None) -> bool:
    """Whether `data` is a character string: `text/*` in UTF-8 that is not JSON."""
    return (
        content_type is not None
        and essence(content_type).startswith("text/")
        and not is_json(content_type)
        and is_utf8(content_type)
    )
