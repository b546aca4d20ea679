"""Which definitions decided at a revision, loaded once and from the nearest revision that is known already."""

from collections import OrderedDict
from dataclasses import replace
from typing import Final, Protocol

from taskfactory.definitions import EventTrigger, InvalidDefinitions, RegisteredDefinition
from taskfactory.intake.in_force import InForce
from taskfactory.registry import DefinitionChanges, UnknownDefinition

KEPT: Final = 16
"""Revisions that are kept compiled; audits go from one to the next."""


class PastDefinitions(Protocol):
    """What is used of the registry's log of activations."""

    def changes(self, since: int | None, until: int) -> DefinitionChanges:
        """Which definitions changed after one revision and up to another."""


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
        self._in_force: OrderedDict[int, InForce] = OrderedDict()
        self._versions: dict[tuple[str, int], RegisteredDefinition | None] = {}

    def at(self, revision: int) -> InForce:
        """What was in force at a revision, as far as it reads the topic."""
        if revision not in self._in_force:
            base = max((known for known in self._in_force if known < revision), default=None)
            before = InForce.nothing() if base is None else self._in_force[base]
            self._in_force[revision] = before.updated(self._concerning(self._past.changes(base, revision)))
            while len(self._in_force) > KEPT:
                self._in_force.popitem(last=False)
        self._in_force.move_to_end(revision)
        return self._in_force[revision]

    def ids(self, revision: int) -> frozenset[str]:
        """Ids of the definitions that were in force at a revision."""
        return frozenset(item.id for item in self.at(revision).definitions.definitions)

    def version(self, definition_id: str, version: int) -> RegisteredDefinition | None:
        """One version, whether it was in force or not; None if it is unknown or can't be read."""
        key = (definition_id, version)
        if key not in self._versions:
            try:
                self._versions[key] = self._store.version(definition_id, version)
            except (UnknownDefinition, InvalidDefinitions):
                self._versions[key] = None
        return self._versions[key]

    def _concerning(self, changes: DefinitionChanges) -> DefinitionChanges:
        kept = [item for item in changes.in_force if self._concerns(item)]
        self.names |= {item.id: item.definition.name for item in kept}
        left = {item.id for item in changes.in_force} - {item.id for item in kept}
        # Of what shadow versions would have done nothing follows, so there is nothing to account for.
        return replace(changes, in_force=kept, gone=[*changes.gone, *left], shadows=(), shadows_gone=())

    def _concerns(self, item: RegisteredDefinition) -> bool:
        trigger = item.definition.trigger
        if not isinstance(trigger, EventTrigger) or self._only not in {None, item.definition.name}:
            return False
        return trigger.topics is None or self._topic in trigger.topics
