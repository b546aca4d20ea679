"""What a change of definitions comes to, worked out before anything is written, and then written, set by set.

Whoever calls has taken its turn (`revisions.take_turns`), so what was found stands until the change is committed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Connection

from taskfactory.definitions import diff_documents
from taskfactory.registry import audit_trail
from taskfactory.registry.applied import Action, Applied, By
from taskfactory.registry.audit_trail import AuditEntry
from taskfactory.registry.definition_versions import (
    NumberedSpec,
    activate,
    add_versions,
    delete,
    digest_of,
    shadow_alone,
    shadow_beside,
)
from taskfactory.registry.present import Present, present, specs
from taskfactory.registry.shadow_matches import forget

Effect = Literal["none", "activate", "shadow_alone", "shadow_beside", "end_shadow", "delete"]


class Planned(NamedTuple):
    """What is to happen to one definition."""

    before: Present | None
    id: UUID
    name: str
    version: int
    action: Action
    effect: Effect
    verb: str = ""
    """As the audit trail tells it; empty for nothing."""
    spec: Mapping[str, Any] | None = None
    """The document of `version`; None where it is not needed."""
    is_new: bool = False
    """The version is to be written."""


def plan_active(before: Present | None, spec: Mapping[str, Any], verb: str | None = None) -> Planned:
    """The document as the active version: nothing to do if it is, else a new version.

    Args:
        before: how the definition stands; None if the name is new.
        spec: the document.
        verb: what the audit trail calls it; None for what becomes of it.
    """
    name = spec["name"]
    if before is None:
        return Planned(None, uuid4(), name, 1, "created", "activate", verb or "create", spec, is_new=True)
    if before.exists and not before.is_shadow_alone and before.digest == digest_of(spec):
        return unchanged(before)
    action: Action = "updated" if before.exists else "revived"
    told = verb or ("update" if before.exists else "revive")
    return Planned(before, before.id, name, before.newest + 1, action, "activate", told, spec, is_new=True)


def plan_shadow(before: Present | None, spec: Mapping[str, Any]) -> Planned:
    """The document as the shadow version: nothing to do if it is, or if it is the active one's and there is none."""
    name = spec["name"]
    if before is None:
        return Planned(None, uuid4(), name, 1, "shadowed", "shadow_alone", "shadow", spec, is_new=True)
    standing = before.digest if before.shadow_digest is None else before.shadow_digest
    if before.exists and standing == digest_of(spec):
        return unchanged(before, before.shadow_version)
    alone = before.is_shadow_alone or not before.exists
    effect: Effect = "shadow_alone" if alone else "shadow_beside"
    return Planned(before, before.id, name, before.newest + 1, "shadowed", effect, "shadow", spec, is_new=True)


def plan_removal(before: Present) -> Planned:
    """No version in force any more."""
    return Planned(before, before.id, before.name, before.version, "deleted", "delete", "delete")


def unchanged(before: Present, version: int | None = None) -> Planned:
    """It stands as it should."""
    return Planned(before, before.id, before.name, version or before.version, "unchanged", "none")


def carry_out(connection: Connection, plans: Sequence[Planned], by: By, *, dry_run: bool = False) -> list[Applied]:
    """Write what is planned, and tell the audit trail; with `dry_run`, only say what would become of each.

    Returns:
        One entry per plan, in their order.

    Raises:
        Unstorable: a document holds a value that has no JSON form.
    """
    applied = _told(connection, plans)
    if dry_run:
        return [replace(one, id="") if plan.before is None else one for one, plan in zip(applied, plans, strict=True)]
    by_effect: dict[Effect, list[Planned]] = {}
    for plan in plans:
        by_effect.setdefault(plan.effect, []).append(plan)
    activate(connection, [_numbered(plan) for plan in by_effect.get("activate", ())], by)
    shadow_alone(connection, [_numbered(plan) for plan in by_effect.get("shadow_alone", ())], by)
    shadow_beside(connection, [(plan.id, plan.version) for plan in by_effect.get("shadow_beside", ())], by)
    shadow_beside(connection, [(plan.id, None) for plan in by_effect.get("end_shadow", ())], by)
    delete(connection, [plan.id for plan in by_effect.get("delete", ())], by)
    forget(connection, [(plan.id, plan.version) for plan in plans if plan.action == "shadowed"])
    forget(connection, [(plan.id, plan.before.newest + 1) for plan in plans if plan.before and plan.effect == "delete"])
    add_versions(connection, [_numbered(plan) for plan in plans if plan.is_new], by)
    audit_trail.append(connection, [_entry(plan, by) for plan in plans if plan.effect != "none"])
    standing = present(connection, [plan.name for plan in plans])
    return [replace(one, etag=standing[one.name].etag) for one in applied]


def _told(connection: Connection, plans: Sequence[Planned]) -> list[Applied]:
    """What is said of each, with the ETag from before."""
    compared = [(plan.id, plan.before.version) for plan in plans if plan.before is not None and plan.spec is not None]
    earlier = specs(connection, compared)
    told: list[Applied] = []
    for plan in plans:
        before = plan.before and earlier.get((plan.id, plan.before.version))
        changes = diff_documents(before, plan.spec) if before and plan.spec else ()
        etag = plan.before.etag if plan.before else None
        told.append(Applied(plan.name, str(plan.id), plan.version, plan.action, etag=etag, changes=changes))
    return told


def _numbered(plan: Planned) -> NumberedSpec:
    assert plan.spec is not None  # noqa: S101 -- for the type checker: what is written has a document
    return NumberedSpec(plan.id, plan.version, plan.spec)


def _entry(plan: Planned, by: By) -> AuditEntry:
    detail: dict[str, Any] = {"id": str(plan.id), "version": plan.version, "action": plan.action}
    if plan.before is not None:
        detail["before"] = {"version": plan.before.version, "state": plan.before.state}
        if plan.before.shadow_version is not None:
            detail["before"]["shadow_version"] = plan.before.shadow_version
    return AuditEntry(by.author, plan.verb, "definition", plan.name, by.reason, by.request_id, detail)
