"""What every way of authentication looks like to the routes."""

from typing import Final, Protocol

from taskfactory.admin.problems import Problem
from taskfactory.admin.roles import Principal

SCHEME: Final = "Bearer"
NO_CREDENTIALS: Final = (
    "The request names no caller: send `Authorization: Bearer <key or token>`; `taskfactory keys create` makes keys."
)


class Unauthenticated(Problem):
    """Nobody is let in with these credentials."""

    def __init__(self, detail: str, *, error: str | None = "invalid_token") -> None:
        """Say why, without a word of the credentials themselves.

        Args:
            detail: for people.
            error: RFC 6750's code for the header; None where no credentials were sent at all.
        """
        challenge = f'{SCHEME} realm="taskfactory"' + (f', error="{error}"' if error else "")
        super().__init__("unauthenticated", detail, headers={"WWW-Authenticate": challenge})


class Authenticator(Protocol):
    """Knows who calls."""

    async def authenticate(self, authorization: str | None) -> Principal:
        """The principal whose credentials these are.

        Args:
            authorization: the header's value; None without one.

        Raises:
            Unauthenticated: there are none, or they let nobody in.
        """
