"""`Authorization: Bearer …`: API keys and OpenID Connect tokens, told apart by how they begin."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from taskfactory.admin.authentication.authenticator import NO_CREDENTIALS, SCHEME, Authenticator, Unauthenticated
from taskfactory.admin.roles import Principal
from taskfactory.admin.settings import AdminSettings


@dataclass(frozen=True, slots=True)
class Bearer:
    """Hands credentials to whoever knows their kind."""

    async def authenticate(self, authorization: str | None) -> Principal:
        """The principal of a key or token.

        Raises:
            Unauthenticated: there are no credentials, or they let nobody in.
        """
        scheme, _, credentials = (authorization or "").partition(" ")
        if scheme.lower() != SCHEME.lower() or not credentials.strip():
            raise Unauthenticated(NO_CREDENTIALS, error=None)
        raise Unauthenticated("No key and no token of this kind is known.")


@asynccontextmanager
async def authenticator(settings: AdminSettings, engine: Engine) -> AsyncIterator[Authenticator]:  # noqa: ARG001
    """Every way of authentication that the settings ask for."""
    yield Bearer()
