"""Keys for programs that call the Admin API: `tf_<id>_<secret>`, of which only a digest of the secret is kept.

The secret has 256 bits of entropy, so that a plain SHA-256 can't be guessed backwards. The id says which row to look
at; alone it opens nothing.
"""

import hashlib
import hmac
import re
import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from taskfactory.registry import audit_trail
from taskfactory.registry.audit_trail import AuditEntry
from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.transactions import in_transaction

KEY_FORM: Final = re.compile(r"tf_([a-z2-7]{8})_([A-Za-z0-9_-]{43})")
_ID_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH: Final = 8
_SECRET_BYTES: Final = 32
EXPIRED: Final = "it has expired, and a new key takes its name"
_SEEN_EVERY: Final = timedelta(minutes=1)
"""How exact `last_used_at` is: a row written by every request would cost more than it tells."""

_ROW: Final = {
    "id": "text",
    "name": "text",
    "digest": "bytea",
    "roles": "text",
    "created_by": "text",
    "expires_at": "timestamptz",
}
_COLUMNS: Final = "id, name, roles, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at"
_PUT: Final = text(f"""
    INSERT INTO api_keys (id, name, digest, roles, created_by, expires_at)
    SELECT id, name, digest, string_to_array(roles, ','), created_by, expires_at FROM {unnest("k", _ROW)}
    ON CONFLICT DO NOTHING
    RETURNING {_COLUMNS}
""")  # noqa: S608 -- built from this module's constants
_FIND: Final = text(f"""
    SELECT {_COLUMNS}, digest, expires_at <= now() AS expired,
           last_used_at IS NULL OR last_used_at < now() - CAST(:every AS interval) AS unseen
    FROM api_keys WHERE id = :id
""")  # noqa: S608 -- the same
_SEEN: Final = text("UPDATE api_keys SET last_used_at = now() WHERE id = :id")
_PAGE: Final = text(f"""
    SELECT {_COLUMNS} FROM api_keys
    WHERE CAST(:at AS timestamptz) IS NULL OR (created_at, id) > (CAST(:at AS timestamptz), CAST(:id AS text))
    ORDER BY created_at, id LIMIT :limit
""")  # noqa: S608 -- the same
_RETIRE: Final = text("""
    UPDATE api_keys SET revoked_at = now(), revoked_by = :by
    WHERE name = ANY(CAST(:names AS text[])) AND revoked_at IS NULL AND expires_at <= now()
    RETURNING id, name
""")
_REVOKE: Final = text("""
    UPDATE api_keys SET revoked_at = now(), revoked_by = :by
    WHERE id = ANY(CAST(:ids AS text[])) AND revoked_at IS NULL
    RETURNING id, name
""")
_KNOWN: Final = text("SELECT id FROM api_keys WHERE id = ANY(CAST(:ids AS text[]))")


class NameTaken(ValueError):  # noqa: N818 -- it says what is wrong
    """A key of this name is in force.

    Attributes:
        names: those that are taken, sorted.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Name them."""
        self.names = tuple(names)
        super().__init__(f"a key named {', '.join(names)} is in force; revoke it first, or choose another name")


class UnknownKeys(LookupError):  # noqa: N818 -- it names what is missing
    """No key has one of these ids.

    Attributes:
        ids: those that are unknown, sorted.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        """Name them."""
        self.ids = tuple(ids)
        super().__init__(f"no key has the id {', '.join(ids)}; `taskfactory keys list` shows them all")


@dataclass(frozen=True, slots=True)
class WantedKey:
    """A key to be made."""

    name: str
    """As the audit trail is to name whoever uses it."""
    roles: frozenset[str]
    expires_at: datetime | None = None
    """None: never."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is listed."""

    id: str
    name: str
    roles: frozenset[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    last_used_at: datetime | None
    """To the minute."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key, with what is shown this once."""

    key: ApiKey
    token: str
    """What the caller sends."""

    def __repr__(self) -> str:
        """Without the token, which must not get into a log."""
        return f"IssuedKey({self.key!r})"


@dataclass(frozen=True, slots=True)
class FoundKey:
    """The key that a token belongs to."""

    key: ApiKey
    expired: bool


def new_token() -> str:
    """A key that nobody has."""
    identity = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
    return f"tf_{identity}_{secrets.token_urlsafe(_SECRET_BYTES)}"


class ApiKeys:
    """The keys in PostgreSQL. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def issue(
        self, wanted: Sequence[WantedKey], author: str, *, reason: str | None = None, request_id: str | None = None
    ) -> list[IssuedKey]:
        """Make keys, all or none, with their lines in the audit trail.

        An expired key of the same name is revoked first, so that the name stands for one key.

        Args:
            wanted: with distinct names.
            author: who is to be recorded.
            reason: why, in their words.
            request_id: the API request that it is part of.

        Returns:
            One for each, in their order.

        Raises:
            NameTaken: a key of one of the names is in force; none was made.
            Refused: a value can't be stored; none was made.
        """
        if twice := sorted(name for name, count in Counter(each.name for each in wanted).items() if count > 1):
            raise NameTaken(twice)
        tokens = [new_token() for _ in wanted]
        rows = [_row(each, token, author) for each, token in zip(wanted, tokens, strict=True)]

        def issue(connection: Connection) -> list[IssuedKey]:
            names = [each.name for each in wanted]
            retired = connection.execute(_RETIRE, {"names": names, "by": author}).all()
            made = {row.name: _key(row) for row in connection.execute(_PUT, arrays("k", _ROW, rows))}
            if taken := sorted(each.name for each in wanted if each.name not in made):
                raise NameTaken(taken)
            entries = [
                AuditEntry(author, "revoke", "key", row.name, EXPIRED, request_id, {"id": row.id}) for row in retired
            ]
            entries += [
                AuditEntry(author, "create", "key", key.name, reason, request_id, _told(key)) for key in made.values()
            ]
            audit_trail.append(connection, entries)
            return [IssuedKey(made[each.name], token) for each, token in zip(wanted, tokens, strict=True)]

        return in_transaction(self._engine, issue)

    def find(self, token: str) -> FoundKey | None:
        """The key that a token belongs to, revoked and expired ones too; None if it is nobody's.

        That it was used is noted.
        """
        parts = KEY_FORM.fullmatch(token)
        if parts is None:
            return None
        identity, digest = parts[1], _digest(parts[2])

        def find(connection: Connection) -> FoundKey | None:
            row = connection.execute(_FIND, {"id": identity, "every": _SEEN_EVERY}).first()
            if row is None or not hmac.compare_digest(bytes(row.digest), digest):
                return None
            if row.unseen and row.revoked_at is None and not row.expired:
                connection.execute(_SEEN, {"id": identity})
            return FoundKey(_key(row), bool(row.expired))

        return in_transaction(self._engine, find)

    def page(self, *, after: tuple[datetime, str] | None, limit: int) -> list[ApiKey]:
        """Keys, the oldest first, revoked and expired ones too.

        Args:
            after: `created_at` and `id` of the last one of the page before.
            limit: at most.
        """
        at, identity = after or (None, None)
        asked = {"at": at, "id": identity, "limit": limit}
        return in_transaction(self._engine, lambda connection: [_key(row) for row in connection.execute(_PAGE, asked)])

    def revoke(
        self, ids: Collection[str], author: str, *, reason: str | None = None, request_id: str | None = None
    ) -> list[str]:
        """End keys from the next request on, with their lines in the audit trail.

        Returns:
            Ids of those that were not revoked before, sorted.

        Raises:
            UnknownKeys: there is no such key; none was revoked.
        """

        def revoke(connection: Connection) -> list[str]:
            known = set(connection.execute(_KNOWN, {"ids": list(ids)}).scalars())
            if unknown := sorted(set(ids) - known):
                raise UnknownKeys(unknown)
            ended = connection.execute(_REVOKE, {"ids": sorted(known), "by": author}).all()
            entries = [
                AuditEntry(author, "revoke", "key", row.name, reason, request_id, {"id": row.id}) for row in ended
            ]
            audit_trail.append(connection, entries)
            return sorted(row.id for row in ended)

        return in_transaction(self._engine, revoke)


def _row(wanted: WantedKey, token: str, author: str) -> tuple[Any, ...]:
    parts = KEY_FORM.fullmatch(token)
    assert parts is not None  # noqa: S101 -- this module has made it
    return (parts[1], wanted.name, _digest(parts[2]), ",".join(sorted(wanted.roles)), author, wanted.expires_at)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("ascii")).digest()


def _key(row: Any) -> ApiKey:
    fields = {name: getattr(row, name) for name in ApiKey.__dataclass_fields__}
    return ApiKey(**{**fields, "roles": frozenset(row.roles)})


def _told(key: ApiKey) -> dict[str, Any]:
    expires = None if key.expires_at is None else key.expires_at.isoformat()
    return {"id": key.id, "roles": sorted(key.roles), "expires_at": expires}
