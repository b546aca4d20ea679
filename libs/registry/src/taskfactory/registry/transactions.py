"""Transactions that are tried again when that can help, and an honest error when it can't.

Everything written by this package is idempotent, so a whole transaction may be repeated.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

from taskfactory.registry.stored_text import Unstorable

_T = TypeVar("_T")

_TRANSIENT: Final = frozenset({"40001", "40P01", "55P03"})
"""serialization_failure, deadlock_detected, lock_not_available (PostgreSQL, appendix A)."""

_REFUSED_CLASSES: Final = ("22", "23", "54")
"""Data exceptions, integrity violations, program limits: the same input will be refused again."""


class Refused(Exception):  # noqa: N818 -- it names what the database did
    """The database refuses a value among those written.

    Attributes:
        reason: the first line of what PostgreSQL or the driver said.
    """

    def __init__(self, reason: str) -> None:
        """Keep the reason; the values themselves stay out of the message."""
        self.reason = reason
        super().__init__(f"the database refuses a value: {reason}")


@retry(
    retry=retry_if_exception(lambda error: sqlstate(error) in _TRANSIENT),
    stop=stop_after_attempt(6),
    wait=wait_random_exponential(multiplier=0.02, max=1),
    reraise=True,
)
def in_transaction(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """Run `work` in one transaction; deadlocks, serialization failures and lock timeouts are tried 6 times.

    Raises:
        Refused: a value can't be stored, now or later.
        sqlalchemy.exc.DBAPIError: anything else that went wrong in the database.
    """
    try:
        with engine.begin() as connection:
            return work(connection)
    except (Unstorable, UnicodeEncodeError) as error:
        raise Refused(str(error)) from error
    except DBAPIError as error:
        if _is_refusal(error):
            raise Refused(str(error.orig).splitlines()[0]) from error
        raise


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's five-character code of an error, None for one that the server did not raise."""
    return getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None


def _is_refusal(error: DBAPIError) -> bool:
    state = sqlstate(error)
    if state is None:  # the driver refused it before the server saw it: NUL in text
        return type(error).__name__ == "DataError"
    return state.startswith(_REFUSED_CLASSES)
