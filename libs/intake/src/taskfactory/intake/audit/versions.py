"""Which definitions decided at a revision, loaded once and from the nearest revision that is known already."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, Protocol

from taskfactory.definitions import DefinitionSet, InvalidDefinitions, RegisteredDefinition
from taskfactory.intake.in_force import InForce
from taskfactory.registry import DefinitionChanges, UnknownDefinition

KEPT: Final = 16
"""Revisions that are kept compiled; audits go from one to the next."""


class PastDefinitions(Protocol):
    """What is used of the registry's log of activations."""

    def changes(self, since: int | None, until: int) -> DefinitionChanges:
        """Which definitions changed after one revision and up to another."""

    def generations(self, revision: int) -> Mapping[tuple[str, bytes], int]:
        """By activity id and key digest: the generation of keys that were released up to a revision."""


class PastVersions(Protocol):
    """What is used of the registry's `DefinitionStore`."""

    def version(self, definition_id: str, version: int) -> RegisteredDefinition:
        """One version, present or past.

        Raises:
            UnknownDefinition: there is none.
            InvalidDefinitions: this version of taskfactory can't read it.
        """


class Versions:
    """Definitions as they were, of all names or of one."""

    def __init__(self, past: PastDefinitions, store: PastVersions, topic: str, only: str | None = None) -> None:
        """Look at a topic.

        Args:
            past: says what changed when.
            store: has every version.
            topic: definitions that don't read it are left out.
            only: the name of the one definition that matters; None for all.
        """
        self.names: dict[str, str] = {}
        """By id, of every definition that was met."""
        self._past = past
        self._store = store
        self._topic = topic
        self._only = only
        self._registered: OrderedDict[int, Mapping[str, RegisteredDefinition]] = OrderedDict()
        self._in_force: dict[int, InForce] = {}
        self._versions: dict[tuple[str, int], RegisteredDefinition | None] = {}

    def at(self, revision: int) -> InForce:
        """What was in force at a revision, as far as it reads the topic."""
        if revision not in self._in_force:
            registered = self._load(revision)
            generations = self._past.generations(revision)
            self._in_force[revision] = InForce(revision, DefinitionSet(registered.values()), generations)
            self.names |= {item.id: item.definition.name for item in registered.values()}
            while len(self._in_force) > KEPT:
                del self._in_force[next(iter(self._in_force))]
        return self._in_force[revision]

    def ids(self, revision: int) -> frozenset[str]:
        """Ids of the definitions that were in force at a revision."""
        return frozenset(self._load(revision))

    def version(self, definition_id: str, version: int) -> RegisteredDefinition | None:
        """One version, whether it was in force or not; None if it is unknown or can't be read."""
        key = (definition_id, version)
        if key not in self._versions:
            try:
                self._versions[key] = self._store.version(definition_id, version)
            except (UnknownDefinition, InvalidDefinitions):
                self._versions[key] = None
        return self._versions[key]

    def _load(self, revision: int) -> Mapping[str, RegisteredDefinition]:
        if revision in self._registered:
            self._registered.move_to_end(revision)
            return self._registered[revision]
        base = max((known for known in self._registered if known < revision), default=None)
        changes = self._past.changes(base, revision)
        left = set(changes.gone) | {item.id for item in changes.in_force}
        kept = {} if base is None else {id_: item for id_, item in self._registered[base].items() if id_ not in left}
        self._registered[revision] = kept | {item.id: item for item in changes.in_force if self._concerns(item)}
        while len(self._registered) > KEPT:
            self._registered.popitem(last=False)
        return self._registered[revision]

    def _concerns(self, item: RegisteredDefinition) -> bool:
        topics = item.definition.trigger.topics
        return (topics is None or self._topic in topics) and self._only in {None, item.definition.name}
