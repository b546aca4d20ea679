"""Definitions in PostgreSQL: changing the present one of each name; every version there ever was stays."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from taskfactory.definitions import ActivityDefinition, TopicMapping
from taskfactory.registry.applied import Applied, By
from taskfactory.registry.definition_changes import carry_out, plan_active, plan_removal, plan_shadow
from taskfactory.registry.definition_errors import DuplicateNames, NoShadowMappings, UnknownNames
from taskfactory.registry.definition_lifecycle import Expected, Lifecycle
from taskfactory.registry.definition_queries import DefinitionQueries
from taskfactory.registry.present import present, require_expected
from taskfactory.registry.revisions import take_turns
from taskfactory.registry.topic_mapping_store import apply_mappings, remove_mappings
from taskfactory.registry.transactions import in_transaction

_T = TypeVar("_T")


class DefinitionStore(DefinitionQueries):
    """Changes definitions and mappings, and answers about them. Safe to use from several threads.

    Every change takes `author`, in the audit trail's form (`AuditEntry.actor`), and may take

    - `reason`: why, in the author's words;
    - `expected`: by name, how definitions must stand for the change to happen: an ETag (`DefinitionRow.etag`), None (it
      must not exist; one that was deleted does not), or `*` (it must exist). Names that are not in it are not checked;
    - `request_id`: the API request that it is part of.

    It happens in one transaction, together with its lines in the log of activations and in the audit trail.
    """

    def apply(  # noqa: PLR0913 -- the options of an apply
        self,
        definitions: Sequence[ActivityDefinition],
        author: str,
        mappings: Sequence[TopicMapping] = (),
        *,
        reason: str | None = None,
        expected: Expected | None = None,
        shadow: bool = False,
        remove: Sequence[str] = (),
        remove_topics: Sequence[str] = (),
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> list[Applied]:
        """Make the registry's definitions of these names, and mappings of these topics, equal to the ones given.

        Others stay. What differs from its active version gets a new one, which ends a shadow version; what does not
        differ stays as it is, its shadow version too. A name that was deleted is revived, under its old id. All
        happens in one transaction, and listeners are notified when it commits.

        Args:
            definitions: with distinct names.
            author: who is to be recorded.
            mappings: with distinct topics.
            reason: why, in the author's words.
            expected: see above.
            shadow: make the definitions shadow versions, beside those that are active. Mappings have none, so with this
                none may change.
            remove: names of definitions to delete.
            remove_topics: topics whose mapping is to go; those without one are passed over.
            dry_run: write nothing, and say what would be done. What the database would refuse is not found out.
            request_id: see above.

        Returns:
            One entry per definition, then one per mapping, in their order; then one per removed definition and mapping.

        Raises:
            DuplicateNames: a name or topic occurs more than once.
            NoShadowMappings: a mapping would change together with shadow versions.
            UnknownNames: one to be removed does not exist; nothing was applied.
            VersionConflict: a definition does not stand as expected; nothing was applied.
            Refused: a document holds a value that the database refuses; nothing was applied.
        """
        named = [*(each.name for each in definitions), *dict.fromkeys(remove)]
        for names in (named, [*(each.topic for each in mappings), *dict.fromkeys(remove_topics)]):
            if twice := sorted(name for name, count in Counter(names).items() if count > 1):
                raise DuplicateNames(twice)
        by = By(author, reason, request_id)

        def apply(connection: Connection) -> list[Applied]:
            if not dry_run:  # of two who apply at once, the second compares with what the first has written
                take_turns(connection)
            found = present(connection, [*named, *(expected or ())])
            if unknown := sorted(name for name in remove if name not in found or not found[name].exists):
                raise UnknownNames(unknown)
            require_expected(found, expected)
            if shadow:
                _require_same_mappings(connection, mappings, remove_topics, by)
            plan = plan_shadow if shadow else plan_active
            plans = [plan(found.get(each.name), each.to_dict()) for each in definitions]
            plans += [plan_removal(found[name]) for name in dict.fromkeys(remove)]
            applied = carry_out(connection, plans, by, dry_run=dry_run)
            mapped = apply_mappings(connection, mappings, by, dry_run=dry_run)
            unmapped = remove_mappings(connection, remove_topics, by, dry_run=dry_run)
            return [*applied[: len(definitions)], *mapped, *applied[len(definitions) :], *unmapped]

        return in_transaction(self._engine, apply)

    def remove_mappings(
        self, topics: Sequence[str], author: str, *, reason: str | None = None, request_id: str | None = None
    ) -> list[str]:
        """Let records of these topics be read as envelopes again; the topics that had a mapping, sorted."""

        def remove(connection: Connection) -> list[str]:
            take_turns(connection)
            return [one.name for one in remove_mappings(connection, topics, By(author, reason, request_id))]

        return in_transaction(self._engine, remove)

    def enable(
        self,
        names: Sequence[str],
        author: str,
        reason: str | None = None,
        *,
        expected: Expected | None = None,
        request_id: str | None = None,
    ) -> list[Applied]:
        """Make new versions that are enabled; those that are so already stay as they are.

        Raises:
            UnknownNames: a name is not known; nothing was changed.
            VersionConflict: a definition does not stand as expected; nothing was changed.
            InvalidDefinitions: this version of taskfactory can't read one of them.
        """
        by = By(author, reason, request_id)
        return self._change(by, expected, lambda change: change.set_enabled(names, enabled=True))

    def disable(
        self,
        names: Sequence[str],
        author: str,
        reason: str | None = None,
        *,
        expected: Expected | None = None,
        request_id: str | None = None,
    ) -> list[Applied]:
        """Make new versions that are disabled; raises what `enable` does."""
        by = By(author, reason, request_id)
        return self._change(by, expected, lambda change: change.set_enabled(names, enabled=False))

    def rollback(  # noqa: PLR0913 -- the options of a change
        self,
        name: str,
        to_version: int,
        author: str,
        reason: str | None = None,
        *,
        expected: Expected | None = None,
        request_id: str | None = None,
    ) -> Applied:
        """Make a new version whose document is that of an earlier one.

        Raises:
            UnknownNames: the name is not known.
            UnknownVersion: it has no such version.
            VersionConflict: the definition does not stand as expected.
            InvalidDefinitions: this version of taskfactory can't read that version.
        """
        by = By(author, reason, request_id)
        return self._change(by, expected, lambda change: change.rollback(name, to_version))

    def promote(
        self,
        name: str,
        author: str,
        reason: str | None = None,
        *,
        expected: Expected | None = None,
        request_id: str | None = None,
    ) -> Applied:
        """Make the shadow version the active one, under its own number.

        Raises:
            UnknownNames: the name is not known.
            NoShadow: it has no shadow version.
            VersionConflict: the definition does not stand as expected.
        """
        by = By(author, reason, request_id)
        return self._change(by, expected, lambda change: change.promote(name))

    def drop_shadow(
        self,
        name: str,
        author: str,
        reason: str | None = None,
        *,
        expected: Expected | None = None,
        request_id: str | None = None,
    ) -> Applied:
        """Ask the shadow version no more; raises what `promote` does.

        A definition of which no version was active is deleted by that.
        """
        by = By(author, reason, request_id)
        return self._change(by, expected, lambda change: change.drop_shadow(name))

    def remove(
        self,
        names: Sequence[str],
        author: str,
        reason: str | None = None,
        *,
        expected: Expected | None = None,
        request_id: str | None = None,
    ) -> list[Applied]:
        """Delete definitions: they take no events any more. Runs under way go on.

        Ids, versions and what their keys have fired stay: applied again, a name goes on where it was.

        Raises:
            UnknownNames: a name is not known, or was deleted before; nothing was changed.
            VersionConflict: a definition does not stand as expected; nothing was changed.
        """
        by = By(author, reason, request_id)
        return self._change(by, expected, lambda change: change.remove(names))

    def pause(
        self,
        names: Sequence[str],
        author: str,
        reason: str | None = None,
        *,
        expected: Expected | None = None,
        request_id: str | None = None,
    ) -> list[str]:
        """Let definitions match without starting anything; the names of those that were not paused before.

        Raises:
            UnknownNames: a name is not known; nothing was changed.
            VersionConflict: a definition does not stand as expected; nothing was changed.
        """
        by = By(author, reason, request_id)
        return self._change(by, expected, lambda change: change.set_paused(names, paused=True))

    def resume(
        self,
        names: Sequence[str],
        author: str,
        reason: str | None = None,
        *,
        expected: Expected | None = None,
        request_id: str | None = None,
    ) -> list[str]:
        """Let paused definitions start runs again, from the next record on; the names of those that were paused.

        Raises what `pause` does.
        """
        by = By(author, reason, request_id)
        return self._change(by, expected, lambda change: change.set_paused(names, paused=False))

    def _change(self, by: By, expected: Expected | None, change: Callable[[Lifecycle], _T]) -> _T:
        def work(connection: Connection) -> _T:
            take_turns(connection)
            return change(Lifecycle(connection, by, expected))

        return in_transaction(self._engine, work)


def _require_same_mappings(
    connection: Connection, mappings: Sequence[TopicMapping], removed: Sequence[str], by: By
) -> None:
    planned = apply_mappings(connection, mappings, by, dry_run=True)
    planned += remove_mappings(connection, removed, by, dry_run=True)
    if changed := [one.name for one in planned if one.action != "unchanged"]:
        raise NoShadowMappings(changed)
