"""What became of one document that was applied."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Applied:
    """One document's fate."""

    name: str
    """The definition's name, or the mapping's topic."""
    id: str
    version: int
    action: Literal["created", "updated", "unchanged"]
    kind: Literal["ActivityDefinition", "TopicMapping"] = "ActivityDefinition"
