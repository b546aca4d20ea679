"""What to say of a name that nothing has."""

from collections.abc import Iterable
from difflib import get_close_matches

from sqlalchemy import Engine

from taskfactory.cli.errors import OperationFailed
from taskfactory.registry import DefinitionRow, DefinitionStore


def definition_named(engine: Engine, name: str) -> DefinitionRow:
    """The definition of that name, enabled or not.

    Raises:
        OperationFailed: there is none.
    """
    rows = DefinitionStore(engine).list(name)
    if not rows:
        raise unknown_definition(name, (row.name for row in DefinitionStore(engine).list()))
    return rows[0]


def unknown_definition(name: str, known: Iterable[str]) -> OperationFailed:
    """The error to raise when no definition has the name.

    Args:
        name: what was asked for.
        known: the names that there are.
    """
    what = f"There is no definition named {name!r}{did_you_mean(name, known)}."
    return OperationFailed(what, "`taskfactory get definitions` lists all.")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The likeliest of the known names as the end of a sentence, without a full stop; empty where none is alike."""
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
