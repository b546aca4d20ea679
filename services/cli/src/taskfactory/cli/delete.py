"""`taskfactory delete`: take topic mappings out of force."""

import getpass
from enum import StrEnum
from typing import Annotated

import typer

from taskfactory.cli.database import registry
from taskfactory.cli.errors import OperationFailed
from taskfactory.cli.settings import CliSettings
from taskfactory.registry import DefinitionStore


class Kind(StrEnum):
    """What to delete."""

    MAPPING = "mapping"


def delete(
    kind: Annotated[Kind, typer.Argument(help="What to delete.")],
    names: Annotated[list[str], typer.Argument(help="Topics whose mapping is to go.")],
) -> None:
    """Remove topic mappings.

    From the next record on, the topics' records are read as envelopes again. Earlier versions stay in the registry, for
    audits. A topic without a mapping is an error, after the others are done.
    """
    with registry(CliSettings()) as engine:
        removed = DefinitionStore(engine).remove_mappings(names, getpass.getuser())
    for topic in removed:
        typer.echo(f"deleted {kind} of topic {topic}")
    if missing := sorted(set(names) - set(removed)):
        raise OperationFailed(f"No mapping of {', '.join(missing)}.", "`taskfactory get mappings` lists all.")
