"""What is in force, for a command that needs it once: ingress keeps its own up to date (`DefinitionWatch`)."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Engine

from taskfactory.definitions import DefinitionSet, RegisteredDefinition
from taskfactory.intake.in_force import InForce
from taskfactory.registry import DefinitionStore


def load_in_force(engine: Engine) -> InForce:
    """Everything that decides about records now.

    Raises:
        sqlalchemy.exc.DBAPIError: the database can't be read.
        InvalidDefinitions: this version can't read a topic mapping.
    """
    return InForce.nothing().updated(DefinitionStore(engine).changes(None))


def applied_to_the_past(in_force: InForce, definitions: Iterable[RegisteredDefinition]) -> InForce:
    """Some definitions of a revision, asked about records of any age.

    That a record is older than a definition's activation keeps ingress from starting it unasked; whoever redrives or
    replays has asked.
    """
    return replace(in_force, definitions=DefinitionSet(replace(item, active_since=None) for item in definitions))
