"""Answers to requests that may be repeated under one key, kept for a day.

A key is *claimed* before its request is answered, in a transaction of its own: of two that come at once, one goes on
and the other finds the claim. Whoever answers renews the claim meanwhile. One that was neither answered nor renewed for
`LEASE` belongs to a process that died, and may be taken over.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, text

from taskfactory.registry.stored_text import json_text
from taskfactory.registry.transactions import in_transaction

KEPT: Final = timedelta(hours=24)
LEASE: Final = timedelta(minutes=10)
"""Several times longer than the pause between two renewals, so that one that fails does no harm."""

# A row that has been kept long enough, or that nobody is going to answer, counts as none.
_CLAIM: Final = text("""
    INSERT INTO idempotency_keys AS k (actor, key, request, claim) VALUES (:actor, :key, :request, :claim)
    ON CONFLICT (actor, key) DO UPDATE
    SET request = excluded.request, claim = excluded.claim, claimed_at = now(),
        status = NULL, headers = NULL, body = NULL
    WHERE k.claimed_at < now() - CAST(:kept AS interval)
       OR (k.status IS NULL AND k.request = excluded.request AND k.claimed_at < now() - CAST(:lease AS interval))
    RETURNING claim
""")
_FOUND: Final = text("SELECT request, status, headers, body FROM idempotency_keys WHERE actor = :actor AND key = :key")
_FORGET: Final = text("""
    DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM idempotency_keys WHERE claimed_at < now() - CAST(:kept AS interval)
        ORDER BY claimed_at LIMIT 100 FOR UPDATE SKIP LOCKED
    ))
""")
_RENEW: Final = text("""
    UPDATE idempotency_keys SET claimed_at = now()
    WHERE actor = :actor AND key = :key AND claim = :claim AND status IS NULL
""")
_ANSWER: Final = text("""
    UPDATE idempotency_keys SET status = :status, headers = CAST(:headers AS json), body = :body
    WHERE actor = :actor AND key = :key AND claim = :claim
""")
_GIVE_UP: Final = text("DELETE FROM idempotency_keys WHERE actor = :actor AND key = :key AND claim = :claim")


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer a request."""

    actor: str
    key: str
    id: UUID


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What a request was answered with."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class InProgress(Exception):  # noqa: N818 -- it says what is the matter
    """The request with this key is being answered at this moment."""


class KeyReused(Exception):  # noqa: N818 -- it says what happened
    """The key belongs to a request with another content."""


class IdempotencyKeys:
    """The keys in PostgreSQL. Safe to use from several threads."""

    def __init__(self, engine: Engine, *, kept: timedelta = KEPT, lease: timedelta = LEASE) -> None:
        """Use `engine`; `kept` and `lease` are for tests."""
        self._engine = engine
        self._kept = kept
        self.lease = lease

    def claim(self, actor: str, key: str, request: bytes) -> Claim | StoredAnswer:
        """Take the right to answer the request, or get the answer that it had.

        Args:
            actor: whose key it is; others may use the same one.
            key: as the caller chose it.
            request: a digest of the request's content.

        Raises:
            InProgress: somebody else is answering it.
            KeyReused: the key came with another content before.
        """
        asked = {
            "actor": actor,
            "key": key,
            "request": request,
            "claim": uuid4(),
            "kept": self._kept,
            "lease": self.lease,
        }

        def claim(connection: Connection) -> Claim | StoredAnswer:
            connection.execute(_FORGET, {"kept": self._kept})
            claimed = connection.execute(_CLAIM, asked).scalar()
            if claimed is not None:
                return Claim(actor, key, claimed)
            return _standing(connection.execute(_FOUND, asked).first(), request)

        return in_transaction(self._engine, claim)

    def renew(self, claim: Claim) -> None:
        """Keep the claim for another lease; nothing happens when it was answered or taken over since."""
        asked = {"actor": claim.actor, "key": claim.key, "claim": claim.id}
        in_transaction(self._engine, lambda connection: connection.execute(_RENEW, asked))

    def answer(self, claim: Claim, answer: StoredAnswer) -> None:
        """Keep the answer; nothing happens when the claim was taken over since."""
        stored = {
            "actor": claim.actor,
            "key": claim.key,
            "claim": claim.id,
            "status": answer.status,
            "headers": json_text(dict(answer.headers)),
            "body": answer.body,
        }
        in_transaction(self._engine, lambda connection: connection.execute(_ANSWER, stored))

    def give_up(self, claim: Claim) -> None:
        """Let the request be tried again under its key: it came to nothing."""
        asked = {"actor": claim.actor, "key": claim.key, "claim": claim.id}
        in_transaction(self._engine, lambda connection: connection.execute(_GIVE_UP, asked))


def _standing(row: Any, request: bytes) -> StoredAnswer:
    if row is None:  # given up between the two statements
        raise InProgress
    if bytes(row.request) != request:
        raise KeyReused
    if row.status is None:
        raise InProgress
    headers = json.loads(row.headers) if isinstance(row.headers, str) else row.headers
    return StoredAnswer(row.status, headers, bytes(row.body))
