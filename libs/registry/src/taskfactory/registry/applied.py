"""What became of one document that was applied."""

from dataclasses import dataclass
from typing import Literal

Action = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class Applied:
    """One document's fate."""

    name: str
    """The definition's name, or the mapping's topic."""
    id: str
    version: int
    action: Action
    kind: Literal["ActivityDefinition", "TopicMapping"] = "ActivityDefinition"
