"""The table `payloads`: bodies under the SHA-256 of their bytes.

Invariants:

- A digest's body never changes, so storing twice is storing once, and a body that was read is what was written.
- Every statement is a transaction of its own: two processes that store the same bodies in another order can't deadlock.
- `stored_at` is when the body was last stored, to within `TOUCH_AFTER`: what is stored again is young again, and who
  drops by age leaves a margin of that size.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, make_url, text

TOUCH_AFTER: Final = timedelta(days=1)
"""A younger row is not written again when its body is: replays store what they stored before, over and over."""
_DROPPED_AT_ONCE: Final = 500

_KNOWN: Final = text(
    "SELECT digest, stored_at < now() - :touch_after AS aging FROM payloads WHERE digest = ANY(:digests)"
)
_TOUCH: Final = text("UPDATE payloads SET stored_at = now() WHERE digest = :digest")
_PUT: Final = text(
    "INSERT INTO payloads (digest, body) VALUES (:digest, :body) ON CONFLICT (digest) DO UPDATE SET stored_at = now()"
)
_GET: Final = text("SELECT digest, body FROM payloads WHERE digest = ANY(:digests)")
_DROP: Final = text(
    "DELETE FROM payloads WHERE digest IN "
    "(SELECT digest FROM payloads WHERE stored_at < :before ORDER BY stored_at LIMIT :at_once)"
)

_CONNECT: Final[Mapping[str, Any]] = {
    "application_name": "taskfactory payloads",
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "options": "-c statement_timeout=30s -c lock_timeout=10s",
}
"""As the registry connects: a peer that vanished is noticed within about 30 seconds (libpq units)."""


def open_payload_table(url: str, pool_size: int) -> "PayloadTable":
    """The table behind a pool of connections; connects when it is first used.

    Args:
        url: `postgresql://user:password@host:port/database`; libpq parameters in its query win over the defaults here.
        pool_size: connections at most; a caller waits for one up to 10 seconds.

    Raises:
        ValueError: the URL is not PostgreSQL's; the message never shows it, it may hold a password.
    """
    target = _psycopg_url(url)
    engine = create_engine(
        target,
        isolation_level="AUTOCOMMIT",
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,  # an error's text must not carry customers' events into logs
        use_native_hstore=False,
        connect_args={name: value for name, value in _CONNECT.items() if name not in target.query},
    )
    return PayloadTable(engine)


def _psycopg_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except Exception as error:
        raise ValueError(
            "the URL of the payload storage can't be parsed: expected postgresql://user@host/db"
        ) from error
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise ValueError(f"the URL starts with {parsed.get_backend_name()}://: this storage takes postgresql:// only")
    return parsed.set(drivername="postgresql+psycopg")


class PayloadTable:
    """Blocking; safe in several threads."""

    def __init__(self, engine: Engine) -> None:
        """Wrap an engine, each statement of which commits by itself; see `open_payload_table`."""
        self._engine = engine

    def put(self, bodies: Iterable[bytes]) -> list[bytes]:
        """Make sure that the bodies are there; what is there already is not sent again.

        Returns:
            Their digests (32 bytes each), in order.

        Raises:
            SQLAlchemyError: the database is away, or was not migrated.
        """
        given = [(sha256(body).digest(), body) for body in bodies]
        wanted = dict(given)
        with self._engine.connect() as connection:
            known = connection.execute(_KNOWN, {"digests": list(wanted), "touch_after": TOUCH_AFTER}).all()
            aging = [row.digest for row in known if row.aging]
            # One that is dropped in this very moment comes back as missing, and is stored anew.
            touched = [digest for digest in aging if connection.execute(_TOUCH, {"digest": digest}).rowcount]
            there = {row.digest for row in known if not row.aging} | set(touched)
            for digest in wanted.keys() - there:
                connection.execute(_PUT, {"digest": digest, "body": wanted[digest]})
        return [digest for digest, _ in given]

    def get(self, digests: Iterable[bytes]) -> dict[bytes, bytes]:
        """The bodies that are there, by digest.

        Raises:
            SQLAlchemyError: the database is away, or was not migrated.
        """
        with self._engine.connect() as connection:
            rows = connection.execute(_GET, {"digests": list(dict.fromkeys(digests))})
            return {row.digest: row.body for row in rows}

    def drop(self, before: datetime) -> int:
        """Drop what was last stored before then, a few hundred at a time.

        Args:
            before: an aware time; the caller has subtracted `TOUCH_AFTER` from what it needs.

        Returns:
            How many were dropped.

        Raises:
            SQLAlchemyError: the database is away, or was not migrated.
        """
        dropped = 0
        with self._engine.connect() as connection:
            while True:
                count = connection.execute(_DROP, {"before": before, "at_once": _DROPPED_AT_ONCE}).rowcount
                dropped += count
                if count < _DROPPED_AT_ONCE:
                    return dropped

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._engine.dispose()
