"""Definitions and topic mappings from text and from JSON values, with every error at its place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from taskfactory.definitions.errors import DefinitionError, InvalidDefinitions
from taskfactory.definitions.limits import DocumentLimits
from taskfactory.definitions.model import ActivityDefinition
from taskfactory.definitions.paths import Problem, render_path
from taskfactory.definitions.source import Document, Place, read_documents
from taskfactory.definitions.suggestions import unknown
from taskfactory.definitions.topic_mapping import TopicMapping
from taskfactory.definitions.validation import validate, validate_mapping, validate_stored

_START: Final = Place(1, 1)
_MAPPING: Final = "TopicMapping"
_KINDS: Final = ("ActivityDefinition", _MAPPING)
_NAMED_BY: Final = {_MAPPING: "topic"}
"""The field that tells documents of a kind apart, where it is not `name`."""

T = TypeVar("T", ActivityDefinition, TopicMapping)


@dataclass(frozen=True)
class Documents:
    """What a text holds, each kind in the order of the text."""

    definitions: tuple[ActivityDefinition, ...]
    mappings: tuple[TopicMapping, ...]


def load_documents(
    text: str,
    origin: str,
    limits: DocumentLimits = DocumentLimits(),  # noqa: B008 -- frozen
) -> Documents:
    """Read the definitions and topic mappings of a YAML or JSON text, one in each document.

    Args:
        text: The file's content.
        origin: The file's name, for the errors.
        limits: How much there may be.

    Raises:
        InvalidDefinitions: With every error of the text; also when there is no document in it.
    """
    loaded: list[ActivityDefinition | TopicMapping] = []
    errors: list[DefinitionError] = []
    first_place: dict[tuple[str, str], Place] = {}
    for document in read_documents(text, limits):
        each, problems = _validated(document)
        naming, name, place = _name(document)
        if first_place.setdefault((naming, name), place) != place:
            first = first_place[naming, name].line
            problems.append(Problem((naming,), f"found '{name}' again; the first is in line {first}"))
        elif each:
            loaded.append(each)
        errors += _errors(document, problems, origin)
    if not loaded and not errors:
        errors.append(DefinitionError(origin, *_START, "", "found no definition; allowed is at least one"))
    if errors:
        raise InvalidDefinitions(tuple(sorted(errors, key=lambda error: (error.line or 0, error.column or 0))))
    return Documents(
        tuple(each for each in loaded if isinstance(each, ActivityDefinition)),
        tuple(each for each in loaded if isinstance(each, TopicMapping)),
    )


def load_definitions(text: str, origin: str) -> list[ActivityDefinition]:
    """Read a text as `load_documents` does, and give its definitions; topic mappings are checked and left out.

    Raises:
        InvalidDefinitions: With every error of the text; also when there is no document in it.
    """
    return list(load_documents(text, origin).definitions)


def parse_definition(document: Mapping[str, Any], origin: str = "definition") -> ActivityDefinition:
    """Read a definition from its JSON form, as `ActivityDefinition.to_dict` writes it.

    Raises:
        InvalidDefinitions: With every error, none of which has a line.
    """
    return _parsed(*validate(dict(document)), origin)


def trusted_definition(document: Mapping[str, Any], origin: str = "definition") -> ActivityDefinition:
    """Read a definition that was checked before it was stored, ten times as fast as `parse_definition`.

    Its shape and its event pattern are read anyway, and refused when this version of taskfactory can't read them.
    Expressions and templates are not compiled before an event needs them; one that this version refuses is then an
    error of that definition alone. Never use it for what comes from outside.

    Raises:
        InvalidDefinitions: With every error of shape and pattern, none of which has a line.
    """
    return _parsed(*validate_stored(document), origin)


def parse_mapping(document: Mapping[str, Any], origin: str = "mapping") -> TopicMapping:
    """Read a topic mapping from its JSON form, as `TopicMapping.to_dict` writes it.

    Raises:
        InvalidDefinitions: With every error, none of which has a line.
    """
    return _parsed(*validate_mapping(dict(document)), origin)


def _parsed(document: T | None, problems: list[Problem], origin: str) -> T:
    if document is None:
        raise InvalidDefinitions(
            tuple(DefinitionError(origin, None, None, render_path(path), message) for path, message, _ in problems)
        )
    return document


def _validated(document: Document) -> tuple[ActivityDefinition | TopicMapping | None, list[Problem]]:
    if document.value is None:
        return None, []
    kind = _kind(document)
    if isinstance(kind, str) and kind not in _KINDS:  # of which fields it should have, nothing can be said
        return None, [Problem(("kind",), unknown("kind", kind, _KINDS))]
    each, problems = validate_mapping(document.value) if kind == _MAPPING else validate(document.value)
    unreadable = {path for _, path, _ in document.errors}
    return (None if document.errors else each), [problem for problem in problems if problem.path not in unreadable]


def _kind(document: Document) -> Any:
    return document.value.get("kind") if isinstance(document.value, dict) else None


def _name(document: Document) -> tuple[str, str, Place]:
    """The field that names the document, its name and where it stands; without one, a name that only this place has."""
    naming = _NAMED_BY.get(str(_kind(document)), "name")
    name = document.value.get(naming) if isinstance(document.value, dict) else None
    place = document.values.get((naming,), _START)
    return (naming, name, place) if isinstance(name, str) else (naming, f"unnamed {place}", place)


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
