"""How definitions stand, as the API tells it."""

from collections.abc import Mapping
from typing import Any, Final

from taskfactory.cli.alike import unknown_definition
from taskfactory.cli.api_client import Answer, Api, path_of
from taskfactory.cli.errors import NotFound

DELETED: Final = "deleted"


def known_definition(api: Api, name: str) -> Answer:
    """A definition with its document, and its ETag.

    Raises:
        NotFound: there is none of that name; the message names the likeliest.
    """
    try:
        return api.ask("GET", path_of("definitions", name))
    except NotFound:
        raise _unknown(api, name) from None


def changeable_definition(api: Api, name: str) -> Answer:
    """The same, of one that can be changed.

    Raises:
        NotFound: there is none of that name, or it was deleted.
    """
    found = known_definition(api, name)
    if found.value["state"] == DELETED:
        raise NotFound(f"Definition {name!r} was deleted.", "`taskfactory apply` of its file brings it back.")
    return found


def require_known(api: Api, name: str | None) -> None:
    """Make sure that a filter that found nothing names a definition; None is no filter.

    Raises:
        NotFound: there is none of that name.
    """
    if name is not None:
        known_definition(api, name)


def _unknown(api: Api, name: str) -> NotFound:
    return unknown_definition(name, (item["name"] for item in api.pages(path_of("definitions"), None)))


def standing_line(summary: Mapping[str, Any]) -> str:
    """`orders: enabled, version 3, shadow version 4`."""
    shadow = summary.get("shadow_version")
    beside = "" if shadow is None else f", shadow version {shadow}"
    return f"{summary['name']}: {summary['state']}, version {summary['version']}{beside}"
