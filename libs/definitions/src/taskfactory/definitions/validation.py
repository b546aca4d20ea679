"""From a raw document to an `ActivityDefinition` or `TopicMapping`, or to all of its problems, each as a sentence."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from taskfactory.definitions.checks import mapping_problems, pattern_problems, semantic_problems
from taskfactory.definitions.model import ActivityDefinition, EventTrigger
from taskfactory.definitions.paths import Path, Problem
from taskfactory.definitions.suggestions import allowed, found, hint, unknown
from taskfactory.definitions.texts import PATTERN_SENTENCES
from taskfactory.definitions.topic_mapping import TopicMapping

_KINDS: Final = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
}
_LIMITS: Final = {
    "greater_than_equal": "allowed is {ge} or more",
    "less_than_equal": "allowed is {le} or less",
    "string_too_long": "allowed are at most {max_length} characters",
    "string_too_short": "allowed is at least {min_length} character",
    "too_long": "with {actual_length} elements; allowed are at most {max_length}",
    "too_short": "with {actual_length} elements; allowed are at least {min_length}",
}
_ALSO_ALLOWED: Final[dict[Path, str]] = {("dedupe", "key"): ", {expression: <CEL>}"}

T = TypeVar("T", ActivityDefinition, TopicMapping)


def validate(document: Any) -> tuple[ActivityDefinition | None, list[Problem]]:
    """Check a document's shape and meaning; the definition is None exactly when there are problems."""
    return _validate(ActivityDefinition, document, semantic_problems(document))


def validate_stored(document: Any) -> tuple[ActivityDefinition | None, list[Problem]]:
    """Check the shape and the event pattern of a document whose meaning was checked before it was stored.

    The rest of the meaning (expressions and templates, each of which the CEL engine would compile) is what takes time.
    """
    definition, problems = _validate(ActivityDefinition, document, iter(()))
    if definition is not None and isinstance(definition.trigger, EventTrigger):
        problems += pattern_problems(definition.trigger.match)
    return (None if problems else definition), problems


def validate_mapping(document: Any) -> tuple[TopicMapping | None, list[Problem]]:
    """Check a document's shape and expressions; the mapping is None exactly when there are problems."""
    return _validate(TopicMapping, document, mapping_problems(document))


def _validate(model: type[T], document: Any, meaning: Iterator[Problem]) -> tuple[T | None, list[Problem]]:
    valid = None
    problems: list[Problem] = []
    try:
        valid = model.model_validate(document)
    except ValidationError as error:
        problems += _shape_problems(error, model)
    problems += meaning
    return (None if problems else valid), problems


def _shape_problems(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    details = error.errors(include_url=False)
    # Where `type` itself is wrong, every other complaint about that mapping is noise.
    mistyped = {item["loc"][:-1] for item in details if item["type"] == "literal_error" and item["loc"][-1] == "type"}
    for item in details:
        if item["type"] == "too_short" and item["input"]:
            continue  # its elements were not counted because they are wrong, which they say themselves
        if item["loc"][-1:] == ("type",) or not any(item["loc"][: len(parent)] == parent for parent in mistyped):
            yield _problem(item, model)


def _problem(item: ErrorDetails, model: type[BaseModel]) -> Problem:
    path, owner, annotation = _walk(item["loc"], model)
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        path = (*path, "type")
        tags = list(_tagged(annotation))
        choices = allowed(repr(tag) for tag in tags)
        if kind == "union_tag_not_found":
            return Problem(path, f"this field is required; {choices}")
        return Problem(path, f"found {found(context['tag'])}; {hint(context['tag'], tags)}{choices}")
    if kind == "missing":
        message = "this field is required"
    elif kind == "extra_forbidden":
        fields = owner.model_fields.items() if owner else ()
        names = [field.alias or name for name, field in fields]
        return Problem(path, unknown("field", str(path[-1]), names), at_key=True)
    elif kind == "literal_error":
        listed = context["expected"].replace(" or ", ", ").split(", ")
        near = hint(value, [each.strip("'") for each in listed])
        message = f"found {found(value)}; {near}{allowed(listed)}{_ALSO_ALLOWED.get(path, '')}"
    elif kind == "string_pattern_mismatch":
        message = f"found {found(value)}; allowed are {PATTERN_SENTENCES[context['pattern']]}"
    elif kind in _KINDS:
        message = f"found {found(value)}; allowed is {_KINDS[kind]}"
    elif kind in _LIMITS:
        separator = " " if kind in ("too_long", "too_short") else "; "
        message = f"found {found(value)}{separator}{_LIMITS[kind].format(**context)}"
    else:
        message = item["msg"]
    return Problem(path, message)


def _walk(location: tuple[str | int, ...], model: type[BaseModel]) -> tuple[Path, type[BaseModel] | None, Any]:
    """Follow Pydantic's location through the models.

    Returns:
        The path without the tags of unions, the model that its last part is a field of, and the type at its end.
    """
    path: list[str | int] = []
    owner: type[BaseModel] | None = None
    annotation: Any = model
    for part in location:
        if tagged := _tagged(annotation):
            annotation = tagged.get(str(part))
            continue
        path.append(part)
        kind = _plain(annotation)
        owner = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        if owner:
            annotation = {field.alias or name: field.annotation for name, field in owner.model_fields.items()}.get(
                str(part)
            )
        else:
            annotation = get_args(kind)[0] if get_origin(kind) is tuple else None
    return tuple(path), owner, annotation


def _tagged(annotation: Any) -> dict[str, Any]:
    """The members of a tagged union by tag; empty for every other type."""
    if get_origin(annotation) is Annotated:
        return _tagged(get_args(annotation)[0])
    if get_origin(annotation) not in (Union, UnionType):
        return {}
    members: dict[str, Any] = {}
    for member in get_args(annotation):
        plain = _plain(member)
        tags = [mark.tag for mark in getattr(member, "__metadata__", ()) if isinstance(mark, Tag)]
        if not tags and isinstance(plain, type) and issubclass(plain, BaseModel) and "type" in plain.model_fields:
            tags = list(get_args(plain.model_fields["type"].annotation))
        members |= dict.fromkeys(tags, plain)
    return members


def _plain(annotation: Any) -> Any:
    """A type without `Annotated` and without `| None`."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return _plain(members[0]) if len(members) == 1 else annotation
    return annotation
