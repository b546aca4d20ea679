"""What decides about records at one revision of the registry. Immutable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from taskfactory.definitions import DedupeKey, DefinitionSet, TopicMapping
from taskfactory.registry import DefinitionChanges

_NO_DEFINITIONS: Final = DefinitionSet(())


@dataclass(frozen=True, slots=True)
class InForce:
    """One revision, whole: a later one replaces it by swapping the reference."""

    revision: int
    """The registry's revision number; rises with every change."""
    definitions: DefinitionSet
    """Every definition that is enabled, the paused ones among them."""
    generations: Mapping[tuple[str, bytes], int] = field(default_factory=dict)
    """By activity id and key digest: the generation of keys that were released; all others are at 1."""
    mappings: Mapping[str, TopicMapping] = field(default_factory=dict)
    """By topic: how records without envelopes become events."""
    shadows: DefinitionSet = field(default_factory=lambda: _NO_DEFINITIONS)
    """Shadow versions: they are asked, and start nothing."""

    @classmethod
    def nothing(cls) -> Self:
        """What is in force before anything was read."""
        return cls(0, DefinitionSet(()))

    def updated(self, changes: DefinitionChanges) -> Self:
        """What is in force after the changes.

        Raises:
            InvalidPattern: a definition that was not checked when it was registered.
        """
        mappings = {topic: each for topic, each in self.mappings.items() if topic not in changes.mappings.gone}
        return type(self)(
            changes.revision,
            self.definitions.changed(put=changes.in_force, removed=changes.gone),
            {**self.generations, **changes.released},
            mappings | {each.topic: each for each in changes.mappings.in_force},
            self.shadows.changed(put=changes.shadows, removed=changes.shadows_gone),
        )

    def generation(self, activity_id: str, key: DedupeKey) -> int:
        """The generation in which the key may fire now."""
        return self.generations.get((activity_id, key.digest), 1) if self.generations else 1
