"""Runs, tasks, definitions and mappings of the API, as people read them: one table for each kind of thing."""

from collections.abc import Mapping, Sequence
from typing import Any

from taskfactory.cli.cells import moment, reason, short_json, text, took
from taskfactory.cli.output import Table

Row = Mapping[str, Any]


def definitions_table(rows: Sequence[Row]) -> Table:
    """Definitions, in the order of their names."""
    return Table(
        ("NAME", "VERSION", "STATE", "SHADOW", "TRIGGER", "DEDUPE", "UPDATED", "BY", "ID"),
        [
            (
                row["name"],
                str(row["version"]),
                row["state"],
                text(row["shadow_version"]),
                row["trigger_type"],
                row["dedupe"],
                moment(row["updated_at"]),
                row["updated_by"],
                row["id"],
            )
            for row in rows
        ],
    )


def versions_table(rows: Sequence[Row]) -> Table:
    """Versions of a definition, the newest first."""
    return Table(
        ("VERSION", "STANDS AS", "CREATED", "BY", "BECAUSE"),
        [
            (
                str(row["version"]),
                "active" if row["active"] else "shadow" if row["shadow"] else "-",
                moment(row["created_at"]),
                row["created_by"],
                text(row["reason"]),
            )
            for row in rows
        ],
    )


def mappings_table(rows: Sequence[Row]) -> Table:
    """Topic mappings."""
    return Table(
        ("TOPIC", "VERSION", "FORMAT", "ID", "SOURCE", "TYPE", "APPLIED", "BY"),
        [
            (
                row["topic"],
                str(row["version"]),
                row["document"].get("format") or "detected",
                row["document"]["id"],
                row["document"]["source"],
                row["document"]["type"],
                moment(row["created_at"]),
                row["created_by"],
            )
            for row in rows
        ],
    )


def runs_table(rows: Sequence[Row]) -> Table:
    """Runs: short cells first, the id and the reason of a failure last, for they are long."""
    return Table(
        ("STARTED", "STATE", "DEFINITION", "GENERATION", "TASKS", "TOOK", "EVENT", "KEY", "RUN", "REASON"),
        [
            (
                moment(row["started_at"]),
                row["state"],
                f"{row['definition']}@{row['version']}",
                "-" if row["generation"] == 1 else str(row["generation"]),
                str(row["task_count"]),
                took(row["started_at"], row["ended_at"]),
                f"{row['event_type']} {row['event_id']}",
                row["dedupe_key"],
                row["run_id"],
                reason(row["error"]),
            )
            for row in rows
        ],
    )


def tasks_table(rows: Sequence[Row]) -> Table:
    """Tasks, in the same manner."""
    return Table(
        ("ENDED", "STATE", "HANDLER", "QUEUE", "ATTEMPTS", "TASK", "REASON"),
        [
            (
                moment(row["ended_at"]),
                row["state"],
                text(row["handler"]),
                text(row["queue"]),
                text(row["attempts"]),
                row["task_id"],
                reason(row["error"]),
            )
            for row in rows
        ],
    )


def context_table(rows: Sequence[Row]) -> Table:
    """Context values as a run saw them, secrets masked."""
    return Table(
        ("NAME", "TYPE", "STATE", "VALUE", "REASON"),
        [(row["name"], row["type"], row["state"], short_json(row["value"]), reason(row["error"])) for row in rows],
    )


def shadow_table(rows: Sequence[Row]) -> Table:
    """Records at which a shadow version was asked beside the active one."""
    return Table(
        ("COMPARISON", "RECORD", "EVENT", "ACTIVE", "SHADOW", "REASON"),
        [
            (
                row["comparison"].replace("_", " "),
                f"{row['topic']}/{row['partition']}/{row['offset']}",
                f"{row['event_type']} {row['event_id']}",
                row["active_verdict"],
                row["verdict"],
                text(row["message"]),
            )
            for row in rows
        ],
    )
