"""Claims in the dedupe ledger: one `INSERT … ON CONFLICT DO NOTHING` for any number of keys.

A key that another transaction is just inserting makes this one wait for its end, so of two that race exactly one gets
it. Keys are written in sorted order, so that two writers can't wait for each other.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

_CLAIM: Final = text("""
    INSERT INTO dedupe_ledger (activity_id, digest, generation, owner)
    SELECT * FROM unnest(
        CAST(:activity_ids AS uuid[]), CAST(:digests AS bytea[]), CAST(:generations AS integer[]),
        CAST(:owners AS uuid[]))
    ON CONFLICT DO NOTHING
    RETURNING activity_id, digest, generation
""")


class LedgerKey(NamedTuple):
    """What can be claimed once: a dedupe key's digest, for one activity, in one generation."""

    activity_id: UUID
    digest: bytes
    generation: int


def claim(connection: Connection, owners: Mapping[LedgerKey, UUID]) -> Collection[LedgerKey]:
    """Insert the keys with their owners.

    Returns:
        The keys that were free and are now claimed; all others belonged to somebody before.
    """
    if not owners:
        return frozenset()
    keys = sorted(owners)
    rows = connection.execute(
        _CLAIM,
        {
            "activity_ids": [key.activity_id for key in keys],
            "digests": [key.digest for key in keys],
            "generations": [key.generation for key in keys],
            "owners": [owners[key] for key in keys],
        },
    )
    return frozenset(LedgerKey(activity_id, bytes(digest), generation) for activity_id, digest, generation in rows)
