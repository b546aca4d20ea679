"""The name that somebody meant, and what to say of a name that nothing has."""

from collections.abc import Iterable
from difflib import get_close_matches

from taskfactory.cli.errors import NotFound


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The likeliest of the known names as the end of a sentence, without a full stop; empty where none is alike."""
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def unknown_definition(name: str, known: Iterable[str]) -> NotFound:
    """The error to raise when no definition has the name.

    Args:
        name: what was asked for.
        known: the names that there are.
    """
    what = f"There is no definition named {name!r}{did_you_mean(name, known)}."
    return NotFound(what, "`taskfactory get definitions` lists all.")
