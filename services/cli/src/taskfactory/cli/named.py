"""What to say of a name that nothing has."""

from collections.abc import Iterable

from sqlalchemy import Engine

from taskfactory.cli.alike import did_you_mean
from taskfactory.cli.errors import OperationFailed
from taskfactory.registry import DefinitionRow, DefinitionStore


def definition_named(engine: Engine, name: str) -> DefinitionRow:
    """The definition of that name, enabled, disabled or deleted.

    Raises:
        OperationFailed: there is none.
    """
    rows = DefinitionStore(engine).list(name, deleted=True)
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
