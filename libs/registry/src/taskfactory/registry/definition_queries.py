"""Questions about definitions in PostgreSQL, asked without changing anything."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine, text

from taskfactory.definitions import RegisteredDefinition, parse_definition
from taskfactory.registry import activations
from taskfactory.registry.definition_errors import UnknownDefinition, UnknownNames
from taskfactory.registry.definition_rows import (
    DefinitionRow,
    DefinitionVersion,
    list_definitions,
    page_of_definitions,
    version_of,
    versions_of,
)
from taskfactory.registry.present import DefinitionState
from taskfactory.registry.shadow_reports import ShadowReport, report_of
from taskfactory.registry.topic_mapping_store import TopicMappingRow, list_mappings
from taskfactory.registry.transactions import in_transaction

_ONE: Final = text("""
    SELECT definition_id, version, spec FROM activity_definition_versions
    WHERE definition_id = :id AND version = :version
""")
_REVISION: Final = text("SELECT revision FROM definitions_revision")


class DefinitionQueries:
    """Answers about definitions and their versions; see `DefinitionStore`."""

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def mappings(self) -> list[TopicMappingRow]:
        """The topic mappings in force, by topic."""
        return in_transaction(self._engine, list_mappings)

    def changes(self, since: int | None) -> activations.DefinitionChanges:
        """What changed after revision `since`; with None, everything that is in force.

        A definition that this version of taskfactory can't read (another version wrote it) counts as gone, with an
        error in the log, so that it keeps no other from being matched.
        """
        return in_transaction(self._engine, lambda connection: activations.changes(connection, since))

    def version(self, definition_id: str, version: int) -> RegisteredDefinition:
        """One version, present or past.

        Raises:
            UnknownDefinition: there is none.
            InvalidDefinitions: this version of taskfactory can't read it.
        """
        asked = {"id": UUID(definition_id), "version": version}
        row = in_transaction(self._engine, lambda connection: connection.execute(_ONE, asked).first())
        if row is None:
            raise UnknownDefinition(definition_id, version)
        return _registered(row)

    def list_page(
        self,
        *,
        prefix: str | None = None,
        state: DefinitionState | None = None,
        trigger: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> list[DefinitionRow]:
        """Definitions by name.

        Args:
            prefix: what their names begin with.
            state: theirs; None leaves out those that were deleted.
            trigger: the trigger's type, `event` or `cron`.
            after: the last name of the page before.
            limit: how many at most.
        """
        return in_transaction(
            self._engine,
            lambda connection: page_of_definitions(
                connection, prefix=prefix, state=state, trigger=trigger, after=after, limit=limit
            ),
        )

    def get(self, name: str) -> DefinitionRow:
        """The definition of this name, however it stands; `row.state` says if it was deleted.

        Its document is `version_of(name, row.version).document`.

        Raises:
            UnknownNames: no definition ever had the name.
        """
        rows = self.list(name, deleted=True)
        if not rows:
            raise UnknownNames([name])
        return rows[0]

    def versions(self, name: str, *, below: int | None = None, limit: int | None = None) -> list[DefinitionVersion]:
        """A definition's versions, the newest first; also of one that was deleted.

        Args:
            name: the definition's.
            below: only versions with a lower number: the last one of the page before.
            limit: how many at most; None for all.

        Raises:
            UnknownNames: no definition ever had the name.
        """
        return in_transaction(self._engine, lambda connection: versions_of(connection, name, below=below, limit=limit))

    def version_of(self, name: str, version: int) -> DefinitionVersion:
        """One version of the definition of this name.

        Raises:
            UnknownNames: no definition ever had the name.
            UnknownVersion: it has no such version.
        """
        return in_transaction(self._engine, lambda connection: version_of(connection, name, version))

    def list(self, name: str | None = None, *, deleted: bool = False) -> list[DefinitionRow]:
        """All definitions by name, disabled ones too; or the one of that name. Deleted ones only when asked for."""
        return in_transaction(self._engine, lambda connection: list_definitions(connection, name, deleted=deleted))

    def shadow_report(self, name: str, since: datetime | None = None, *, examples: int = 5) -> ShadowReport:
        """What the shadow version would have done beside what the active one did; after its end, what it came to.

        Args:
            name: the definition's.
            since: only records that were decided then or later.
            examples: the newest so many records of each kind.

        Raises:
            UnknownNames: no definition ever had the name.
        """
        report = in_transaction(self._engine, lambda connection: report_of(connection, name, since, examples))
        if report is None:
            raise UnknownNames([name])
        return report

    def revision(self) -> int:
        """A number that rises with every change of a definition; cheap to ask for.

        Read it before anything else, and a change in between is only ever noticed twice, never missed.
        """
        return int(in_transaction(self._engine, lambda connection: connection.execute(_REVISION).scalar_one()))


def _registered(row: Any) -> RegisteredDefinition:
    return RegisteredDefinition(id=str(row.definition_id), version=row.version, definition=parse_definition(row.spec))
