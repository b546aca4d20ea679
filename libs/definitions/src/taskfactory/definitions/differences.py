"""What differs between two documents, place by place. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from taskfactory.definitions.paths import render_path

ChangeKind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """One place that differs."""

    path: str
    """As `trigger.match.type[0]`. What has a name is told by it, wherever it stands: `tasks[reserve].timeout`."""
    kind: ChangeKind
    before: Any
    """JSON; None when it was added."""
    after: Any
    """JSON; None when it was removed."""


def diff_documents(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[DocumentChange, ...]:
    """Every place that differs, in the order of the documents; empty only if both are the same JSON.

    Items of a list that all have a `name` of their own are compared by it. When their order changes, that is told as
    one change of the list, from names to names.

    Args:
        before: a document's JSON form, as `ActivityDefinition.to_dict` gives it.
        after: the same of a later version.
    """
    return tuple(_compared("", before, after))


def _compared(place: str, before: Any, after: Any) -> Iterator[DocumentChange]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _parts(_members(place, before), _members(place, after))
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        yield from _items(place, before, after)
    elif type(before) is not type(after) or before != after:  # to Python, True is 1 and 1.0 too
        yield DocumentChange(place, "changed", before, after)


def _items(place: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[DocumentChange]:
    old, new = _names(before), _names(after)
    if old is None or new is None:
        positions = range(max(len(before), len(after)))
        yield from _parts(_placed(place, positions, before), _placed(place, positions, after))
        return
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield DocumentChange(place, "changed", old, new)
    yield from _parts(_placed(place, old, before), _placed(place, new, after))


def _parts(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[DocumentChange]:
    """Compare what is at each place; a place that only one side has was added or removed."""
    for place in dict.fromkeys([*before, *after]):
        if place not in after:
            yield DocumentChange(place, "removed", before[place], None)
        elif place not in before:
            yield DocumentChange(place, "added", None, after[place])
        else:
            yield from _compared(place, before[place], after[place])


def _names(items: Sequence[Any]) -> list[str] | None:
    """The names of all items, if each has one of its own."""
    names = [item.get("name") if isinstance(item, Mapping) else None for item in items]
    told = [name for name in names if isinstance(name, str)]
    return told if len(told) == len(items) == len(set(told)) else None


def _placed(place: str, labels: Sequence[str | int], items: Sequence[Any]) -> dict[str, Any]:
    return {f"{place}[{label}]": item for label, item in zip(labels, items, strict=False)}


def _members(place: str, mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {place + _dotted(render_path((key,)), place): value for key, value in mapping.items()}


def _dotted(key: str, place: str) -> str:
    return f".{key}" if place and not key.startswith("[") else key
