"""For commands that bring the API along: whoever holds the database's credentials holds everything anyway."""

from dataclasses import dataclass

from taskfactory.admin.roles import EVERY_ROLE, Principal


@dataclass(frozen=True, slots=True)
class Local:
    """Lets in one principal with every role, whatever is sent. Only for an app that listens on no port."""

    login: str

    async def authenticate(self, authorization: str | None) -> Principal:  # noqa: ARG002 -- there is no other caller
        """`local:<login>`."""
        return Principal(f"local:{self.login}", EVERY_ROLE)
