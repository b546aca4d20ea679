"""The issuer's public keys: fetched once, kept, and fetched again when a token names one that is not among them.

Keys that the issuer has taken back are gone after `MAX_AGE`. Nobody can make this server ask the issuer more often than
every `MIN_INTERVAL`, whatever tokens they send. While the issuer is away, the keys that are known stay good.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from taskfactory.intake import Unavailable
from taskfactory.runtime import Outage

MAX_AGE: Final = 600.0
MIN_INTERVAL: Final = 10.0
MAX_BYTES: Final = 1024 * 1024
_PUBLIC: Final = frozenset({"RSA", "EC"})


class IssuerKeys:
    """The keys of one issuer."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        issuer: str,
        jwks_url: str | None,
        *,
        min_interval: float = MIN_INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask with `http`.

        Args:
            http: with timeouts, and without redirects.
            issuer: base URL; its discovery document says where the keys are, unless `jwks_url` does.
            jwks_url: where the keys are.
            min_interval: seconds between two questions.
            clock: monotonic, in seconds.
        """
        self._http = http
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._min_interval = min_interval
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched = self._asked = float("-inf")
        self._fetching = asyncio.Lock()
        self._outage = Outage("oidc_issuer", jwks_url or issuer, "TASKFACTORY_OIDC_ISSUER")

    async def current(self, kid: str | None) -> KeySet:
        """The keys; fetched anew if they are old, or if this one is not among them.

        Args:
            kid: the key that a token names; None if it names none.

        Raises:
            Unavailable: there are no keys yet, and the issuer does not answer.
        """
        if self._is_due(kid) or (self._fetching.locked() and not self._has(kid)):
            async with self._fetching:
                if self._is_due(kid):  # whoever waited here finds what the first one has fetched
                    await self._fetch()
        if self._keys is None:
            raise Unavailable("OIDC_ISSUER", "the issuer of tokens can't be asked for its keys")
        return self._keys

    def _is_due(self, kid: str | None) -> bool:
        now = self._clock()
        if now - self._asked < self._min_interval:
            return False
        return now - self._fetched > MAX_AGE or not self._has(kid)

    def _has(self, kid: str | None) -> bool:
        return self._keys is not None and (kid is None or any(key.kid == kid for key in self._keys))

    async def _fetch(self) -> None:
        self._asked = self._clock()
        try:
            url = self._jwks_url or await self._discovered()
            found = (await self._json(url))["keys"]
            # A secret that signs is no public key, whatever the document says.
            keys = KeySet.import_key_set({"keys": [each for each in found if each.get("kty") in _PUBLIC]})
        except (httpx.HTTPError, JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            self._outage.away(f"{type(error).__name__}: {error}")
            return
        self._keys, self._fetched = keys, self._clock()
        self._outage.back()

    async def _discovered(self) -> str:
        document = await self._json(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document["issuer"] != self._issuer:
            raise ValueError(f"the discovery document is of {document['issuer']!r}, not of {self._issuer!r}")
        return str(document["jwks_uri"])

    async def _json(self, url: str) -> Any:
        async with self._http.stream("GET", url, headers={"Accept": "application/json"}) as response:
            response.raise_for_status()
            if response.is_redirect:
                raise ValueError(f"{url} redirects, which is not followed")
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError(f"{url} sends more than {MAX_BYTES} bytes")
        return httpx.Response(200, content=body).json()
