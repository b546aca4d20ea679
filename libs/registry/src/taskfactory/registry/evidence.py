"""What the registry knows of runs and claims, for those who ask afterwards: `explain` and `audit`. Nothing is written.

Every question takes any number of items and is answered in one statement, except for all runs of a partition: they
come in the order of their offsets, in pages, from one snapshot.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from taskfactory.definitions import (
    InvalidDefinitions,
    RegisteredDefinition,
    RunInput,
    Standing,
    parse_definition,
)
from taskfactory.registry import activations, windows
from taskfactory.registry.claims import LedgerKey
from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.partitions import kept_since
from taskfactory.registry.planning import candidate
from taskfactory.registry.transactions import in_transaction

PAGE: Final = 5_000
"""Runs that are fetched at once while a partition's are read."""

_KEY: Final = {"activity_id": "uuid", "digest": "bytea", "generation": "integer"}
# The ledger, and the windows of definitions that remember keys for a time only.
_CLAIMED: Final = text(f"""
    SELECT k.* FROM {unnest("k", _KEY)}
    WHERE EXISTS (SELECT FROM dedupe_ledger l
                  WHERE (l.activity_id, l.digest, l.generation) = (k.activity_id, k.digest, k.generation))
       OR EXISTS (SELECT FROM dedupe_windows w
                  WHERE (w.activity_id, w.digest, w.generation) = (k.activity_id, k.digest, k.generation))
""")  # noqa: S608 -- built from this module's constants
_RUN_COLUMNS: Final = """
    run_id, activity_id, activity_name, version, generation, state, event_digest, event_source, event_id, started_at,
    trigger ->> 'topic' AS topic, CAST(trigger ->> 'partition' AS integer) AS partition,
    CAST(trigger ->> 'offset' AS bigint) AS "offset"
"""
_RUNS: Final = text(f"""
    SELECT {_RUN_COLUMNS} FROM activity_runs WHERE run_id = ANY(CAST(:run_ids AS text[])) ORDER BY started_at
""")  # noqa: S608 -- built from this module's constants
_OF_EVENTS: Final = text(f"""
    SELECT {_RUN_COLUMNS} FROM activity_runs WHERE event_digest = ANY(CAST(:digests AS bytea[])) ORDER BY started_at
""")  # noqa: S608 -- built from this module's constants
_TRIGGERED: Final = text(f"""
    SELECT {_RUN_COLUMNS} FROM activity_runs
    WHERE trigger ->> 'topic' = :topic AND CAST(trigger ->> 'partition' AS integer) = :partition
      AND CAST(trigger ->> 'offset' AS bigint) BETWEEN :first AND :last
      AND (CAST(:activity_id AS uuid) IS NULL OR activity_id = :activity_id)
      AND (CAST(:since AS timestamptz) IS NULL OR started_at >= :since)
    ORDER BY "offset", run_id
""")  # noqa: S608 -- built from this module's constants
_PATIENCE: Final = text(
    "SET LOCAL statement_timeout = '10min'; SET LOCAL idle_in_transaction_session_timeout = '10min'"
)
"""All runs are looked at, for none are found by their record; and a page is worked on before the next is fetched."""
_RESOLUTIONS: Final = text("""
    SELECT DISTINCT ON (letter_key) letter_key, resolution FROM dead_letter_resolutions
    WHERE letter_key = ANY(CAST(:letter_keys AS text[])) ORDER BY letter_key, attempts DESC
""")
_OPENED: Final = text(f"""
    SELECT w.run_id FROM {unnest("k", _KEY)} JOIN dedupe_windows w
        ON (w.activity_id, w.digest, w.generation) = (k.activity_id, k.digest, k.generation)
    WHERE w.run_id = ANY(CAST(:run_ids AS text[]))
""")  # noqa: S608 -- built from this module's constants
_NOBODY: Final = str(UUID(int=0))
_NOT_ASKED: Final = text("""
    SELECT d.name, d.id AS definition_id, d.version, v.spec
    FROM activity_definitions d
    JOIN activity_definition_versions v ON v.definition_id = d.id AND v.version = d.version
    WHERE (NOT d.enabled OR d.trigger_type = 'cron') AND d.deleted_at IS NULL
        AND d.shadow_version IS DISTINCT FROM d.version
    ORDER BY d.name
""")


@dataclass(frozen=True, slots=True)
class ClaimKeys:
    """What a run must win before it does anything."""

    identity: LedgerKey
    """The event's own key."""
    strategy: LedgerKey
    """The definition's key; the same as `identity` where the definition dedupes by event."""
    admission: LedgerKey
    """What lets the event ask once."""
    windowed: bool = False
    """The strategy's key fires again after a time: it is found in windows, not in the ledger."""

    @property
    def all(self) -> frozenset[LedgerKey]:
        """Every key that is claimed once the run has begun."""
        return frozenset({self.identity, self.strategy, self.admission})


def claim_keys(run: RunInput) -> ClaimKeys:
    """The keys of a run, as planning works them out.

    Raises:
        ValueError: the run's `activity_id` is not a UUID; its key has a window, its event no time.
    """
    asking = candidate(run, _NOBODY)
    return ClaimKeys(asking.identity, asking.strategy, asking.admission, asking.windowed is not None)


@dataclass(frozen=True, slots=True)
class RunFact:
    """A run's row, as far as it says which record it came from."""

    run_id: str
    activity_id: str
    activity_name: str
    version: int
    generation: int
    state: str
    event_digest: bytes
    """Of the event's own identity."""
    event_source: str
    event_id: str
    started_at: datetime
    topic: str | None
    """None, like partition and offset, for a run that no record started."""
    partition: int | None
    offset: int | None

    @property
    def event(self) -> LedgerKey:
        """The event's own key."""
        return LedgerKey(UUID(self.activity_id), self.event_digest, self.generation)


class Evidence:
    """Answers about runs and claims. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def claimed(self, keys: Collection[LedgerKey]) -> frozenset[LedgerKey]:
        """Those of the keys that somebody has claimed, for ever or for a window."""
        if not keys:
            return frozenset()
        rows = self._rows(_CLAIMED, arrays("k", _KEY, sorted(keys)))
        return frozenset(LedgerKey(row.activity_id, bytes(row.digest), row.generation) for row in rows)

    def runs(self, run_ids: Collection[str]) -> dict[str, RunFact]:
        """Those of the runs that have a row."""
        if not run_ids:
            return {}
        return {row.run_id: _run(row) for row in self._rows(_RUNS, {"run_ids": sorted(run_ids)})}

    def runs_of_events(self, identities: Collection[LedgerKey]) -> dict[LedgerKey, RunFact]:
        """By the events' own keys: the first run of each that has one."""
        if not identities:
            return {}
        rows = self._rows(_OF_EVENTS, {"digests": sorted({key.digest for key in identities})})
        found: dict[LedgerKey, RunFact] = {}
        for row in rows:
            run = _run(row)
            found.setdefault(run.event, run)
        return {key: run for key, run in found.items() if key in set(identities)}

    def runs_triggered_in(  # noqa: PLR0913 -- what narrows the search
        self,
        topic: str,
        partition: int,
        first: int,
        last: int,
        *,
        activity_id: str | None = None,
        since: datetime | None = None,
    ) -> Iterator[RunFact]:
        """All runs that say that a record of these offsets started them, in the order of the offsets.

        One snapshot, read in pages: a transaction stays open until the iterator ends or is closed.

        Args:
            topic: where the records are.
            partition: the same.
            first: the first offset.
            last: the last offset, included.
            activity_id: of one definition's runs only.
            since: runs that started earlier are left out; what makes the search quick where months of runs are kept.
        """
        asked = {"topic": topic, "partition": partition, "first": first, "last": last}
        narrowed = {**asked, "activity_id": activity_id and UUID(activity_id), "since": since}
        with self._engine.connect() as connection:
            connection.execute(_PATIENCE)
            with connection.execute(_TRIGGERED, narrowed, execution_options={"yield_per": PAGE}) as rows:
                yield from map(_run, rows)

    def resolutions(self, letter_keys: Collection[str]) -> dict[str, str]:
        """How dead letters were resolved, by their ids: `redriven` or `discarded`."""
        if not letter_keys:
            return {}
        rows = self._rows(_RESOLUTIONS, {"letter_keys": sorted(letter_keys)})
        return {row.letter_key: row.resolution for row in rows}

    def changes(self, since: int | None, until: int) -> activations.DefinitionChanges:
        """Which definitions changed after one revision and up to another, and how they stood there."""
        return in_transaction(self._engine, lambda connection: activations.changes(connection, since, until))

    def not_asked(self) -> list[RegisteredDefinition]:
        """Definitions that are asked about no event, by name: not enabled, or firing by schedule.

        Without those that this version can't read, and those of which there is a shadow version alone.
        """
        found: list[RegisteredDefinition] = []
        for row in self._rows(_NOT_ASKED, {}):
            with suppress(InvalidDefinitions):
                found.append(RegisteredDefinition(str(row.definition_id), row.version, parse_definition(row.spec)))
        return found

    def windows_opened(self, runs: Mapping[str, LedgerKey]) -> frozenset[str]:
        """Those of the runs (by id, with the strategy's key) that opened a window of their key."""
        if not runs:
            return frozenset()
        asked = {**arrays("k", _KEY, sorted(set(runs.values()))), "run_ids": sorted(runs)}
        return frozenset(row.run_id for row in self._rows(_OPENED, asked))

    def window_standings(self, runs: Sequence[RunInput]) -> dict[LedgerKey, Standing]:
        """How the keys of runs that ask for a window stand now, by the strategy's key; at most one run of each key."""
        asks = _asks(runs)
        return in_transaction(self._engine, lambda connection: windows.standings_of(connection, asks)) if asks else {}

    def window_holders(self, runs: Sequence[RunInput]) -> dict[str, str | None]:
        """By run id, for runs that ask for a window: the run of the window that the event falls into, or None."""
        asks = _asks(runs)
        found = in_transaction(self._engine, lambda connection: windows.holders(connection, asks)) if asks else []
        return dict(zip((ask.run_id for ask in asks), found, strict=True))

    def rows_kept_since(self) -> datetime | None:
        """Runs that started then or later still have their rows; None if there are no months at all.

        Months are dropped whole, oldest first, except those with an open run; from the first gap backwards nothing is
        certain.
        """
        return in_transaction(self._engine, kept_since)

    def _rows(self, statement: Any, parameters: dict[str, Any]) -> Sequence[Any]:
        def read(connection: Connection) -> Sequence[Any]:
            return connection.execute(statement, parameters).all()

        return in_transaction(self._engine, read)


def _asks(runs: Sequence[RunInput]) -> list[windows.WindowAsk]:
    asking = [candidate(run, _NOBODY) for run in runs]
    return [
        windows.WindowAsk(item.strategy, item.windowed.at, item.windowed.window, item.run.run_id, known=False)
        for item in asking
        if item.windowed is not None
    ]


def _run(row: Any) -> RunFact:
    fields = {name: getattr(row, name) for name in RunFact.__dataclass_fields__}
    return RunFact(**{**fields, "activity_id": str(row.activity_id), "event_digest": bytes(row.event_digest)})
