"""Schedules, their ticks and what an audit says of them, as people read them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taskfactory.cli.cells import moment, text
from taskfactory.cli.output import Table

Row = Mapping[str, Any]
WHEN: Final = ("cron", "every", "calendars", "exclude", "timezone", "start", "end", "jitter", "overlap")
"""What of a trigger is shown beside its name, in this order."""
ANY: Final = "*"
COUNTED: Final = ("started", "waiting", "pending", "missing")
"""Columns of an audit that are always there; reasons of skips follow."""


def schedules_table(rows: Sequence[Row]) -> Table:
    """Schedules, in the order of their definitions' names."""
    return Table(
        ("NAME", "STATE", "NEXT TICK", "LAST TICK", "CAME TO", "NOTE"),
        [
            (
                row["name"],
                row["state"],
                moment(row["next_tick"]),
                "-" if row["last_tick"] is None else moment(row["last_tick"]["scheduled_for"]),
                "-" if row["last_tick"] is None else came_to(row["last_tick"]),
                text(row["reason"]) if row["state"] == "paused" else "-",
            )
            for row in rows
        ],
    )


def ticks_table(rows: Sequence[Row]) -> Table:
    """Ticks that were decided about, the latest first."""
    return Table(
        ("TICK", "KIND", "CAME TO", "LATE BY", "ASKED BY", "RUN"),
        [
            (
                moment(row["scheduled_for"]) if row["scheduled_for"] is not None else row["tick"],
                row["kind"],
                came_to(row),
                f"{row['late_by']:.1f}s",
                row["asked_by"],
                text(row["run_id"]),
            )
            for row in rows
        ],
    )


def next_table(answer: Row) -> Table:
    """Ticks to come."""
    return Table(
        ("TICK", "FIRES AT"), [(moment(tick["scheduled_for"]), moment(tick["fires_at"])) for tick in answer["items"]]
    )


def backfill_table(rows: Sequence[Row]) -> Table:
    """What a backfill makes of each tick."""
    return Table(
        ("TICK", "RESULT", "RUN"),
        [(moment(row["scheduled_for"]), row["result"].replace("_", " "), text(row["run_id"])) for row in rows],
    )


def books_table(rows: Sequence[Row]) -> Table:
    """What the ticks of each schedule came to, in an audit."""
    reasons = sorted({reason for row in rows for reason in row["counts"]} - set(COUNTED))
    columns = [name for name in (*COUNTED, *reasons) if name in {"started", "missing"} or _any(rows, name)]
    return Table(
        ("DEFINITION", "EXPECTED", *(name.replace("_", " ").upper() for name in columns)),
        [
            (row["definition"], str(row["expected"]), *(str(row["counts"].get(name, 0)) for name in columns))
            for row in rows
        ],
    )


def alarms_table(rows: Sequence[Row]) -> Table:
    """What does not add up, in an audit."""
    return Table(
        ("DEFINITION", "TICK", "TROUBLE", "EXPECTED", "FOUND"),
        [(row["definition"], row["tick"], row["trouble"], row["expected"], row["found"]) for row in rows],
    )


def schedule_facts(row: Row) -> list[tuple[str, str]]:
    """What describes a schedule."""
    trigger = row["trigger"]
    return [
        ("state", row["state"]),
        *((name, _times(trigger.get(name))) for name in WHEN),
        ("misfire", _misfire(trigger.get("misfire"))),
        ("next tick", moment(row["next_tick"])),
        ("version", str(row["version"])),
        ("updated", f"{moment(row['updated_at'])} by {row['updated_by']}"),
        ("because", text(row["reason"])),
    ]


def came_to(tick: Row) -> str:
    """`started`, or `skipped: overlap`."""
    return f"{tick['decision']}: {tick['reason']}" if tick["reason"] else str(tick["decision"])


def _times(value: Any) -> str:
    """A part of a trigger, near to how its author wrote it: `15m (offset 5m)`, `hour 3, day_of_week MON`."""
    if not isinstance(value, list):
        return text(value)
    return "; ".join(map(_entry, value)) or "-"


def _entry(value: Any) -> str:
    if not isinstance(value, Mapping):
        return text(value)
    if "interval" in value:
        offset = value.get("offset")
        return f"{value['interval']} (offset {offset})" if offset else str(value["interval"])
    return ", ".join(f"{name} {part}" for name, part in value.items() if part not in (None, ANY)) or "every second"


def _misfire(misfire: Row | None) -> str:
    return "-" if misfire is None else f"{misfire['policy']}, within {misfire['window']}"


def _any(rows: Sequence[Row], name: str) -> bool:
    return any(row["counts"].get(name) for row in rows)
