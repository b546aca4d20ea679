"""What decides about records at one revision of the registry: definitions, and which keys were released. Immutable."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from taskfactory.definitions import DedupeKey, DefinitionSet


@dataclass(frozen=True, slots=True)
class InForce:
    """One revision, whole: a later one replaces it by swapping the reference."""

    revision: int
    """The registry's revision number; rises with every change."""
    definitions: DefinitionSet
    """Every definition that is enabled, the paused ones among them."""
    generations: Mapping[tuple[str, bytes], int] = field(default_factory=dict)
    """By activity id and key digest: the generation of keys that were released; all others are at 1."""

    def generation(self, activity_id: str, key: DedupeKey) -> int:
        """The generation in which the key may fire now."""
        return self.generations.get((activity_id, key.digest), 1) if self.generations else 1
