from collections.abc import Iterable
from pathlib import Path

import pytest

from taskfactory.definitions import DefinitionSet, RegisteredDefinition, load_definitions

DEFINITIONS = Path(__file__).parents[2] / "examples" / "shop" / "definitions"


def registered(files: Iterable[Path]) -> list[RegisteredDefinition]:
    """The definitions as the registry would have them, with their names for ids."""
    return [
        RegisteredDefinition(definition.name, 1, definition)
        for file in sorted(files)
        for definition in load_definitions(file.read_text(), file.name)
    ]


@pytest.fixture(scope="session")
def definitions() -> DefinitionSet:
    return DefinitionSet(registered(DEFINITIONS.glob("*.yaml")))
