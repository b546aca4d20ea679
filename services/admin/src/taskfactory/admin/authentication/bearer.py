"""`Authorization: Bearer …`: API keys and OpenID Connect tokens, told apart by how they begin."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx
from sqlalchemy import Engine

from taskfactory.admin.authentication.authenticator import NO_CREDENTIALS, SCHEME, Authenticator, Unauthenticated
from taskfactory.admin.authentication.jwks import IssuerKeys
from taskfactory.admin.authentication.keys import PREFIX, KeyAuthenticator
from taskfactory.admin.authentication.tokens import TokenAuthenticator, TokenRules
from taskfactory.admin.roles import Principal
from taskfactory.admin.settings import AdminSettings
from taskfactory.registry import ApiKeys

ISSUER_TIMEOUT: Final = 5.0
"""Seconds for each part of an answer of the issuer."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """Hands credentials to whoever knows their kind."""

    keys: KeyAuthenticator
    tokens: TokenAuthenticator | None
    """None where no issuer is trusted."""

    async def authenticate(self, authorization: str | None) -> Principal:
        """The principal of a key or token.

        Raises:
            Unauthenticated: there are no credentials, or they let nobody in.
            Unavailable: who calls can't be found out now.
        """
        scheme, _, credentials = (authorization or "").partition(" ")
        credentials = credentials.strip()
        if scheme.lower() != SCHEME.lower() or not credentials:
            raise Unauthenticated(NO_CREDENTIALS, error=None)
        if credentials.startswith(PREFIX):
            return await self.keys.authenticate(credentials)
        if self.tokens is None:
            raise Unauthenticated("This is no API key, and no issuer of tokens is trusted here; keys begin with tf_.")
        return await self.tokens.authenticate(credentials)


@asynccontextmanager
async def authenticator(settings: AdminSettings, engine: Engine) -> AsyncIterator[Authenticator]:
    """Every way of authentication that the settings ask for."""
    keys = KeyAuthenticator(ApiKeys(engine).find, settings.api_bootstrap_key)
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        yield Bearer(keys, None)
        return
    rules = TokenRules(
        settings.oidc_issuer,
        settings.oidc_audience,
        settings.oidc_algorithms,
        settings.oidc_roles_claim,
        settings.oidc_role_map,
    )
    async with httpx.AsyncClient(timeout=ISSUER_TIMEOUT, follow_redirects=False) as http:
        issuer_keys = IssuerKeys(http, settings.oidc_issuer, settings.oidc_jwks_url)
        yield Bearer(keys, TokenAuthenticator(rules, issuer_keys))
