"""What applying files would change: read from the API's answer to a dry run, shown, and held to afterwards."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from taskfactory.cli.cells import short_json
from taskfactory.cli.output import counted

MAPPING: Final = "TopicMapping"
DELETE: Final = "delete"
UNCHANGED: Final = "unchanged"
SIGNS: Final = {"create": "+", "revive": "+", "update": "~", "shadow": "?", DELETE: "-"}
"""How a line of the plan begins, by action."""
DONE: Final = {
    "create": "created",
    "revive": "revived",
    "update": "updated",
    "shadow": "shadowed",
    DELETE: "deleted",
    UNCHANGED: "unchanged",
}
"""The same actions when they are done."""
PATHS: Final = 6
"""Changed paths of one document in its line; of more, only how many."""


@dataclass(frozen=True)
class PlanItem:
    """One document's fate."""

    kind: str
    """`ActivityDefinition` or `TopicMapping`."""
    name: str
    """The definition's name, or the mapping's topic."""
    action: str
    """One of `DONE`."""
    version: int
    etag: str | None
    """What the plan is based on; None when there is nothing of that name, or for a mapping."""
    changes: Sequence[Mapping[str, Any]]
    """`{path, kind, before, after}` each, against the version before."""

    @property
    def label(self) -> str:
        """How sentences call it."""
        return f"mapping of topic {self.name}" if self.kind == MAPPING else self.name


@dataclass(frozen=True)
class Plan:
    """What a set of files comes to, in their order, what is deleted last."""

    items: Sequence[PlanItem]

    @property
    def changing(self) -> Sequence[PlanItem]:
        """All but the unchanged ones."""
        return [item for item in self.items if item.action != UNCHANGED]

    @property
    def deletions(self) -> Sequence[PlanItem]:
        """What `--prune` takes away."""
        return [item for item in self.items if item.action == DELETE]

    @property
    def registered(self) -> int:
        """How many there are before: those that are not new."""
        return sum(item.action in {"update", UNCHANGED, DELETE} for item in self.items)

    @property
    def expected(self) -> dict[str, str | None]:
        """Each definition's ETag as the plan found it: the API refuses to carry out a plan that is out of date."""
        return {item.name: item.etag for item in self.items if item.kind != MAPPING}

    def lines(self) -> Iterator[str]:
        """The plan as people read it."""
        for item in self.changing:
            yield f"{SIGNS[item.action]} {_title(item)}{_paths(item.changes)}"
        unchanged = len(self.items) - len(self.changing)
        if unchanged:
            yield f"= {unchanged:,} unchanged"

    def differences(self) -> Iterator[str]:
        """The plan with every value that changes."""
        for item in self.changing:
            yield f"{SIGNS[item.action]} {_title(item)}"
            for change in item.changes:
                yield f"    {change_line(change)}"
        unchanged = len(self.items) - len(self.changing)
        if unchanged:
            yield f"= {unchanged:,} unchanged"

    def summary(self) -> str:
        """What was done, in a line: `applied: 2 created, 1 unchanged`."""
        counts = Counter(DONE[item.action] for item in self.items)
        return ", ".join(f"{counts[done]:,} {done}" for done in DONE.values() if counts[done])


def plan_of(answer: Mapping[str, Any]) -> Plan:
    """Read the answer of `POST /v1/apply`."""
    return Plan(
        [
            PlanItem(
                kind=item["kind"],
                name=item["name"],
                action=item["action"],
                version=item["version"],
                etag=item.get("etag"),
                changes=item.get("changes") or (),
            )
            for item in answer["items"]
        ]
    )


def change_line(change: Mapping[str, Any]) -> str:
    """One difference: `tasks[0].queue: "a" → "b"`; added and removed values with a sign."""
    path = change["path"] or "(document)"
    match change["kind"]:
        case "added":
            return f"+ {path}: {short_json(change['after'])}"
        case "removed":
            return f"- {path}: {short_json(change['before'])}"
        case _:
            return f"~ {path}: {short_json(change['before'])} → {short_json(change['after'])}"


def _title(item: PlanItem) -> str:
    revived = ", which was deleted" if item.action == "revive" else ""
    shadow = " as its shadow version" if item.action == "shadow" else ""
    verb = "" if item.action == "shadow" else f"{item.action} "
    version = "" if item.action == DELETE else f" (version {item.version})"
    return f"{verb}{item.label}{shadow}{revived}{version}"


def _paths(changes: Sequence[Mapping[str, Any]]) -> str:
    if not changes:
        return ""
    if len(changes) > PATHS:
        return f": {counted(len(changes), 'change')}, which `taskfactory diff` shows"
    return f": {', '.join(change['path'] for change in changes)}"
