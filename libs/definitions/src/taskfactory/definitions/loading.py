"""Definitions from text and from JSON values, with every error at its place."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from taskfactory.definitions.errors import DefinitionError, InvalidDefinitions
from taskfactory.definitions.model import ActivityDefinition
from taskfactory.definitions.paths import Problem, render_path
from taskfactory.definitions.source import Document, Place, read_documents
from taskfactory.definitions.validation import validate, validate_stored

_START: Final = Place(1, 1)


def load_definitions(text: str, origin: str) -> list[ActivityDefinition]:
    """Read the definitions of a YAML or JSON text, one in each document.

    Args:
        text: The file's content.
        origin: The file's name, for the errors.

    Raises:
        InvalidDefinitions: With every error of the text; also when there is no definition in it.
    """
    definitions: list[ActivityDefinition] = []
    errors: list[DefinitionError] = []
    first_place: dict[str, Place] = {}
    for document in read_documents(text):
        definition, problems = _validated(document)
        name, place = _name(document)
        if first_place.setdefault(name, place) != place:
            problems.append(Problem(("name",), f"found '{name}' again; the first is in line {first_place[name].line}"))
        elif definition:
            definitions.append(definition)
        errors += _errors(document, problems, origin)
    if not definitions and not errors:
        errors.append(DefinitionError(origin, *_START, "", "found no definition; allowed is at least one"))
    if errors:
        raise InvalidDefinitions(tuple(sorted(errors, key=lambda error: (error.line or 0, error.column or 0))))
    return definitions


def parse_definition(document: Mapping[str, Any], origin: str = "definition") -> ActivityDefinition:
    """Read a definition from its JSON form, as `ActivityDefinition.to_dict` writes it.

    Raises:
        InvalidDefinitions: With every error, none of which has a line.
    """
    return _sound(validate(dict(document)), origin)


def trusted_definition(document: Mapping[str, Any], origin: str = "definition") -> ActivityDefinition:
    """Read a definition that was checked before it was stored, ten times as fast as `parse_definition`.

    Its shape and its event pattern are read anyway, and refused when this version of taskfactory can't read them.
    Expressions and templates are not compiled before an event needs them; one that this version refuses is then an
    error of that definition alone. Never use it for what comes from outside.

    Raises:
        InvalidDefinitions: With every error of shape and pattern, none of which has a line.
    """
    return _sound(validate_stored(document), origin)


def _sound(validated: tuple[ActivityDefinition | None, list[Problem]], origin: str) -> ActivityDefinition:
    definition, problems = validated
    if definition is None:
        raise InvalidDefinitions(
            tuple(DefinitionError(origin, None, None, render_path(path), message) for path, message, _ in problems)
        )
    return definition


def _validated(document: Document) -> tuple[ActivityDefinition | None, list[Problem]]:
    if document.value is None:
        return None, []
    definition, problems = validate(document.value)
    unreadable = {path for _, path, _ in document.errors}
    return (None if document.errors else definition), [
        problem for problem in problems if problem.path not in unreadable
    ]


def _name(document: Document) -> tuple[str, Place]:
    """The definition's name and where it stands; without a name, a name that only this place has."""
    name = document.value.get("name") if isinstance(document.value, dict) else None
    place = document.values.get(("name",), _START)
    return (name, place) if isinstance(name, str) else (f"unnamed {place}", place)


def _errors(document: Document, problems: list[Problem], origin: str) -> Iterator[DefinitionError]:
    for place, path, message in document.errors:
        yield DefinitionError(origin, *place, render_path(path), message)
    for problem in problems:
        yield DefinitionError(origin, *_place(document, problem), render_path(problem.path), problem.message)


def _place(document: Document, problem: Problem) -> Place:
    path = problem.path
    if problem.at_key and path in document.keys:
        return document.keys[path]
    while path not in document.values and path:
        path = path[:-1]  # what is missing is missing from the mapping around it
    return document.values.get(path, _START)
