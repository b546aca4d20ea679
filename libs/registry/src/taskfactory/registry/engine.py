"""How a process connects to the registry's PostgreSQL."""

from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, make_url

_SESSION: Final = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
}
"""A statement that takes this long is stuck; freeing the connection lets the caller's retry find a healthy one."""

_TCP: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A peer that vanished without a word is noticed within about 30 seconds (libpq units: seconds, last one ms)."""


def open_engine(url: str, *, pool_size: int = 10) -> Engine:
    """A pool of connections that survives a database restart (each is pinged before use).

    Session-level features are used (LISTEN, advisory locks, prepared statements): point it at PostgreSQL or at a
    pooler in session mode. Libpq parameters in the URL's query win over the defaults set here.

    Args:
        url: `postgresql://user:password@host:port/database`; `postgres://` and `postgresql+psycopg://` are the same.
        pool_size: connections at most; a caller waits for one up to 10 seconds.

    Raises:
        ValueError: the URL can't be parsed or is not PostgreSQL's; the message never shows it, it may hold a password.
    """
    target = _psycopg_url(url)
    return create_engine(
        target,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,  # an error's text must not carry customers' events into logs
        use_native_hstore=False,
        connect_args=_connect_args(target),
    )


def _psycopg_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except Exception as error:
        raise ValueError("the database URL can't be parsed: expected postgresql://user@host:port/db") from error
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        found = parsed.get_backend_name()
        raise ValueError(f"the database URL starts with {found}://: only postgresql:// is supported")
    return parsed.set(drivername="postgresql+psycopg")


def _connect_args(url: URL) -> dict[str, Any]:
    options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    defaults = {"application_name": "taskfactory", "options": options, **_TCP}
    return {name: value for name, value in defaults.items() if name not in url.query}
