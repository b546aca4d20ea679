"""Windows of dedupe keys: which of the events that ask open one. Set-based; `definitions.windows` decides.

The rows of one key are decided about by one transaction at a time, without a table of locks:

1. Whoever finds no window inserts number 1; of two that do, one waits for the other and then finds it.
2. Whoever finds one locks the key's first row before it reads how the key stands, and keeps it until it commits.

Both go through the keys in sorted order, and nobody who waits in the first step holds a lock of the second, so that two
writers can't wait for each other. Several events of one key in one call are decided in the order of the list, as if
they had come one by one.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text

from taskfactory.definitions import Opened, Standing, decide_window
from taskfactory.registry.claims import LedgerKey
from taskfactory.registry.columns import arrays, unnest

_KEY: Final = {"activity_id": "uuid", "digest": "bytea", "generation": "integer"}
_WINDOW: Final = {**_KEY, "number": "integer", "opened_at": "timestamptz", "run_id": "text"}
_ASKED: Final = {**_KEY, "at": "timestamptz", "seconds": "double precision"}
_PLACED: Final = {"place": "integer", **_ASKED}

_OPEN: Final = text(f"""
    INSERT INTO dedupe_windows ({", ".join(_WINDOW)}) SELECT * FROM {unnest("w", _WINDOW)}
    ON CONFLICT DO NOTHING
    RETURNING activity_id, digest, generation
""")  # noqa: S608 -- built from this module's constants
_LOCK: Final = text(f"""
    SELECT count(*) FROM {unnest("k", _KEY)} CROSS JOIN LATERAL (
        SELECT 1 FROM dedupe_windows w WHERE w.activity_id = k.activity_id AND w.digest = k.digest
        ORDER BY w.generation, w.number LIMIT 1 FOR UPDATE
    ) held
""")  # noqa: S608 -- built from this module's constants
# A key may have many windows: what is read of them comes from a few places in three indexes.
_STANDING: Final = text(f"""
    SELECT a.activity_id, a.digest, a.generation, newest.number,
           near.opened_at AT TIME ZONE 'UTC' AS near, line.opened_at AT TIME ZONE 'UTC' AS line
    FROM {unnest("a", _ASKED)}
    LEFT JOIN LATERAL (
        SELECT w.number FROM dedupe_windows w
        WHERE w.activity_id = a.activity_id AND w.digest = a.digest AND w.generation = a.generation
        ORDER BY w.number DESC LIMIT 1
    ) newest ON true
    LEFT JOIN LATERAL (
        SELECT w.opened_at FROM dedupe_windows w
        WHERE w.activity_id = a.activity_id AND w.digest = a.digest
          AND w.opened_at > a.at - make_interval(secs => a.seconds)
          AND w.opened_at < a.at + make_interval(secs => a.seconds)
        LIMIT 1
    ) near ON true
    LEFT JOIN LATERAL (
        SELECT w.opened_at FROM dedupe_windows w
        WHERE w.activity_id = a.activity_id AND w.digest = a.digest AND w.run_id IS NULL
        ORDER BY w.opened_at DESC LIMIT 1
    ) line ON true
""")  # noqa: S608 -- built from this module's constants
_HOLDERS: Final = text(f"""
    SELECT a.place, holder.run_id FROM {unnest("a", _PLACED)}
    CROSS JOIN LATERAL (
        SELECT w.run_id FROM dedupe_windows w
        WHERE w.activity_id = a.activity_id AND w.digest = a.digest
          AND w.opened_at > a.at - make_interval(secs => a.seconds)
          AND w.opened_at < a.at + make_interval(secs => a.seconds)
        ORDER BY w.opened_at LIMIT 1
    ) holder
""")  # noqa: S608 -- built from this module's constants


class WindowAsk(NamedTuple):
    """An event that asks for a window of its key; each event asks at most once."""

    key: LedgerKey
    at: datetime
    """The event's time, aware."""
    window: timedelta
    run_id: str
    """The run that it would start."""
    known: bool
    """It was decided about before its key had windows: as the first one that comes again it only draws the line."""


def open_windows(connection: Connection, asks: Sequence[WindowAsk]) -> list[bool]:
    """Open what windows these events open.

    Returns:
        For each, whether it starts its run.
    """
    first: dict[LedgerKey, int] = {}
    for place, ask in enumerate(asks):
        first.setdefault(ask.key, place)
    opened = _insert(connection, ((asks[place], 1) for place in first.values()))
    starts = [first[ask.key] == place and ask.key in opened and not ask.known for place, ask in enumerate(asks)]
    rest = [place for place, ask in enumerate(asks) if first[ask.key] != place or ask.key not in opened]
    standings = _held_standings(connection, [asks[place] for place in rest])
    further: list[tuple[WindowAsk, int]] = []
    for place in rest:
        ask = asks[place]
        decision = decide_window(standings[ask.key], ask.at, ask.window)
        if isinstance(decision, Opened):
            standings[ask.key] = standings[ask.key].opened(ask.at)
            further.append((ask, decision.number))
            starts[place] = True
    _insert(connection, further)
    return starts


def holders(connection: Connection, asks: Sequence[WindowAsk]) -> list[str | None]:
    """The runs of the windows that these events fall into; None where there is none, or none is known."""
    found: list[str | None] = [None] * len(asks)
    if asks:
        rows = [(place, *_asked(ask)) for place, ask in enumerate(asks)]
        for place, run_id in connection.execute(_HOLDERS, arrays("a", _PLACED, rows)):
            found[place] = run_id
    return found


def _insert(connection: Connection, windows: Iterable[tuple[WindowAsk, int]]) -> frozenset[LedgerKey]:
    rows: list[tuple[Any, ...]] = sorted(
        (*ask.key, number, ask.at, None if ask.known and number == 1 else ask.run_id) for ask, number in windows
    )
    if not rows:
        return frozenset()
    inserted = connection.execute(_OPEN, arrays("w", _WINDOW, rows))
    return frozenset(LedgerKey(activity_id, bytes(digest), generation) for activity_id, digest, generation in inserted)


def standings_of(connection: Connection, asks: Sequence[WindowAsk]) -> dict[LedgerKey, Standing]:
    """How these events' keys stand, as far as it matters to them; without the keys' locks, only as of now."""
    standings: dict[LedgerKey, Standing] = {}
    for row in connection.execute(_STANDING, arrays("a", _ASKED, map(_asked, asks))):
        key = LedgerKey(row.activity_id, bytes(row.digest), row.generation)
        before = standings.get(key, Standing())
        openings = (*before.openings, *([] if row.near is None else [row.near.replace(tzinfo=UTC)]))
        standings[key] = Standing(row.number or 0, openings, row.line and row.line.replace(tzinfo=UTC))
    return standings


def _held_standings(connection: Connection, asks: Sequence[WindowAsk]) -> dict[LedgerKey, Standing]:
    """The same, holding until this transaction ends; each key has a window."""
    if not asks:
        return {}
    connection.execute(_LOCK, arrays("k", _KEY, sorted({ask.key for ask in asks})))
    # Not in the statement above: what others committed while it waited is seen only by the next one.
    return standings_of(connection, asks)


def _asked(ask: WindowAsk) -> tuple[Any, ...]:
    return (*ask.key, ask.at, ask.window.total_seconds())
