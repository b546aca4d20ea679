"""`taskfactory delete`: definitions and topic mappings."""

from enum import StrEnum
from typing import Annotated

import typer

from taskfactory.cli.api_client import admin_api, path_of
from taskfactory.cli.consent import require_consent
from taskfactory.cli.errors import NotFound, OperationFailed
from taskfactory.cli.names import definition_names
from taskfactory.cli.options import Because, Yes
from taskfactory.cli.output import Output, OutputOption, counted
from taskfactory.cli.standing import changeable_definition
from taskfactory.cli.telling import telling


class Kind(StrEnum):
    """What to delete."""

    DEFINITION = "definition"
    MAPPING = "mapping"


def delete(
    kind: Annotated[Kind, typer.Argument(help="What to delete.")],
    names: Annotated[
        list[str],
        typer.Argument(help="Definitions, or topics whose mapping is to go.", autocompletion=definition_names),
    ],
    *,
    because: Because = None,
    yes: Yes = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Delete definitions or topic mappings.

    A definition takes no event from then on; its runs, versions and dedupe keys stay, and applying the name again takes
    it up where it was. Without a mapping, a topic's records are read as envelopes again. More than 10 at once want a
    yes. A topic without a mapping is an error, after the others are done.
    """
    names = list(dict.fromkeys(names))
    require_consent(f"{counted(len(names), str(kind))} would be deleted", len(names), given=yes)
    if kind is Kind.DEFINITION:
        _delete_definitions(names, because, output)
    else:
        _delete_mappings(names, because, output)


def _delete_definitions(names: list[str], because: str | None, output: Output) -> None:
    with telling(output) as tell, admin_api() as api:
        found = {name: changeable_definition(api, name) for name in names}
        for name, standing in found.items():
            path = path_of("definitions", name)
            api.delete(path, etag=standing.etag, reason=because)
            tell(f"deleted {name}", None if output is Output.TABLE else api.get(path))


def _delete_mappings(topics: list[str], because: str | None, output: Output) -> None:
    missing = []
    with telling(output) as tell, admin_api() as api:
        for topic in topics:
            path = path_of("mappings", topic)
            try:
                # Nothing of it is left to be shown afterwards.
                mapping = None if output is Output.TABLE else api.get(path)
                api.delete(path, reason=because)
            except NotFound:
                missing.append(topic)
            else:
                tell(f"deleted mapping of topic {topic}", mapping)
    if missing:
        raise OperationFailed(f"No mapping of {', '.join(sorted(missing))}.", "`taskfactory get mappings` lists all.")
