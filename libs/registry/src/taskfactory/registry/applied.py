"""What became of one document that was applied, and who applied it."""

from dataclasses import dataclass
from typing import Literal

from taskfactory.definitions import DocumentChange

Action = Literal["created", "updated", "unchanged", "deleted", "revived", "shadowed"]


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something, and why."""

    author: str
    """`key:<name>`, `user:<subject>`, `local:<login>`."""
    reason: str | None = None
    """In their own words."""
    request_id: str | None = None
    """The API request that it is part of."""


@dataclass(frozen=True, slots=True)
class Applied:
    """One document's fate."""

    name: str
    """The definition's name, or the mapping's topic."""
    id: str
    """Of a definition that a dry run would create: empty."""
    version: int
    """The version that is active now; with `shadowed`, the shadow version."""
    action: Action
    kind: Literal["ActivityDefinition", "TopicMapping"] = "ActivityDefinition"
    etag: str | None = None
    """A definition's, as it stands after the change; in a dry run as it stands now. None if it does not exist (any
    more): what `expected` takes for the next change."""
    changes: tuple[DocumentChange, ...] = ()
    """Against the version that was active before; with `shadowed`, against the active one. Empty if there was none."""
