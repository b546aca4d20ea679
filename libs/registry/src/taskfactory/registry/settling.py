"""Runs that the reconciler is settling: a list that survives it.

A run's end is committed before its outcomes are published. A reconciler that dies in between leaves a row that is no
longer open, so no look at open runs finds it, and perhaps an execution that Temporal knows no more, so no look at
executions does either. Therefore a run is put on this list before its end is written, and taken off it only when its
outcomes are published; whoever leads next goes through what is still on it.
"""

from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection, text

_BEGIN: Final = text("""
    INSERT INTO settling_runs (run_id) SELECT unnest(CAST(:run_ids AS text[])) ON CONFLICT DO NOTHING
""")
_BEGUN: Final = text("SELECT run_id FROM settling_runs ORDER BY since, run_id LIMIT :limit")
_DONE: Final = text("DELETE FROM settling_runs WHERE run_id = ANY(CAST(:run_ids AS text[]))")


def begin(connection: Connection, run_ids: Collection[str]) -> None:
    """Put runs on the list; those that are on it keep their place."""
    if run_ids:
        connection.execute(_BEGIN, {"run_ids": sorted(run_ids)})


def begun(connection: Connection, limit: int) -> list[str]:
    """What is on the list, oldest first."""
    return list(connection.execute(_BEGUN, {"limit": limit}).scalars())


def done(connection: Connection, run_ids: Collection[str]) -> None:
    """Take runs off the list."""
    if run_ids:
        connection.execute(_DONE, {"run_ids": sorted(run_ids)})
