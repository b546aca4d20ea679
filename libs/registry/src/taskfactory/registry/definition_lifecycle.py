"""What happens to a definition besides new text: enabled, disabled, rolled back, promoted, paused, deleted.

Whoever calls has taken its turn (`revisions.take_turns`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from taskfactory.definitions import parse_definition
from taskfactory.registry import audit_trail
from taskfactory.registry.applied import Applied, By
from taskfactory.registry.audit_trail import AuditEntry
from taskfactory.registry.definition_changes import Planned, carry_out, plan_active, plan_removal, unchanged
from taskfactory.registry.definition_errors import NoShadow, UnknownVersion
from taskfactory.registry.present import Present, existing, require_expected, specs

Expected = Mapping[str, str | None]

_SET_PAUSED: Final = text("""
    UPDATE activity_definitions SET paused = :paused, updated_at = now(), updated_by = :by, reason = :reason
    WHERE name = ANY(CAST(:names AS text[])) AND paused <> :paused
    RETURNING name, id
""")


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Changes within one transaction, by one person."""

    connection: Connection
    by: By
    expected: Expected | None = None
    """ETags that definitions must have; see `present.require_expected`."""

    def set_enabled(self, names: Sequence[str], *, enabled: bool) -> list[Applied]:
        """A new version of each that says so; those that are so already stay.

        Raises:
            UnknownNames, VersionConflict: nothing was changed.
            InvalidDefinitions: this version of taskfactory can't read one of them.
        """
        found = self._existing(names)
        active = specs(self.connection, [(item.id, item.version) for item in found.values()])
        plans: list[Planned] = []
        for name in dict.fromkeys(names):
            item = found[name]
            spec = active[item.id, item.version]
            if spec["enabled"] is enabled and not item.is_shadow_alone:
                plans.append(unchanged(item))
                continue
            document = parse_definition({**spec, "enabled": enabled}).to_dict()
            plans.append(plan_active(item, document, "enable" if enabled else "disable"))
        return carry_out(self.connection, plans, self.by)

    def rollback(self, name: str, to_version: int) -> Applied:
        """A new version whose document is that of an earlier one.

        Raises:
            UnknownNames, UnknownVersion, VersionConflict: nothing was changed.
            InvalidDefinitions: this version of taskfactory can't read that version.
        """
        item = self._existing([name])[name]
        spec = specs(self.connection, [(item.id, to_version)]).get((item.id, to_version))
        if spec is None:
            raise UnknownVersion(name, to_version, item.newest)
        plan = plan_active(item, parse_definition(spec).to_dict(), "rollback")
        return carry_out(self.connection, [plan], self.by)[0]

    def promote(self, name: str) -> Applied:
        """Make the shadow version the active one, under its own number.

        Raises:
            UnknownNames, NoShadow, VersionConflict: nothing was changed.
        """
        item = self._shadowed(name)
        version = item.shadow_version or item.version
        spec = specs(self.connection, [(item.id, version)])[item.id, version]
        plan = Planned(item, item.id, name, version, "updated", "activate", "promote", spec)
        return carry_out(self.connection, [plan], self.by)[0]

    def drop_shadow(self, name: str) -> Applied:
        """Ask the shadow version no more; a definition of which no version was ever active is deleted by that.

        Raises:
            UnknownNames, NoShadow, VersionConflict: nothing was changed.
        """
        item = self._shadowed(name)
        if item.is_shadow_alone:
            plan = plan_removal(item)._replace(verb="drop-shadow")
        else:
            plan = Planned(item, item.id, name, item.version, "updated", "end_shadow", "drop-shadow")
        return carry_out(self.connection, [plan], self.by)[0]

    def remove(self, names: Sequence[str]) -> list[Applied]:
        """Take definitions out of force; ids, versions and what their keys have fired stay.

        Raises:
            UnknownNames, VersionConflict: nothing was changed.
        """
        found = self._existing(names)
        return carry_out(self.connection, [plan_removal(found[name]) for name in dict.fromkeys(names)], self.by)

    def set_paused(self, names: Sequence[str], *, paused: bool) -> list[str]:
        """Pause or resume; the names of those that were not so already, sorted.

        Raises:
            UnknownNames, VersionConflict: nothing was changed.
        """
        self._existing(names)
        asked = {"names": sorted(set(names)), "paused": paused, "by": self.by.author, "reason": self.by.reason}
        changed = sorted((row.name, str(row.id)) for row in self.connection.execute(_SET_PAUSED, asked))
        by, verb = self.by, "pause" if paused else "resume"
        audit_trail.append(
            self.connection,
            [
                AuditEntry(by.author, verb, "definition", name, by.reason, by.request_id, {"id": definition_id})
                for name, definition_id in changed
            ],
        )
        return [name for name, _ in changed]

    def _existing(self, names: Sequence[str]) -> dict[str, Present]:
        found = existing(self.connection, names)
        require_expected(found, self.expected)
        return found

    def _shadowed(self, name: str) -> Present:
        item = self._existing([name])[name]
        if item.shadow_version is None:
            raise NoShadow(name)
        return item
