"""A definition of the registry by its name."""

from sqlalchemy import Engine

from taskfactory.cli.alike import unknown_definition
from taskfactory.registry import DefinitionRow, DefinitionStore


def definition_named(engine: Engine, name: str) -> DefinitionRow:
    """The definition of that name, enabled, disabled or deleted.

    Raises:
        NotFound: there is none.
    """
    rows = DefinitionStore(engine).list(name, deleted=True)
    if not rows:
        raise unknown_definition(name, (row.name for row in DefinitionStore(engine).list()))
    return rows[0]
