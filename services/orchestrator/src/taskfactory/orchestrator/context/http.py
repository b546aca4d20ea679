"""Requests to the HTTP servers that operators have named.

- The host's name is looked up once; the connection goes to an address that was checked, under the name that the
  certificate must have. No redirect is followed, no cookie kept, and no proxy of the environment is used.
- The whole request, from the look-up to the last byte, ends within its time; the answer within its bytes, unpacked.
- No message holds an address's path, a header or any part of an answer.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlencode

import httpx

from taskfactory.definitions import HttpRequest
from taskfactory.definitions.http_paths import header_text
from taskfactory.envelope.json_text import MalformedJson, UnfitValue, check, parse
from taskfactory.orchestrator.context.answers import ACCEPTED_ENCODING, read_answer
from taskfactory.orchestrator.context.connections import BasicAuth, BearerAuth, HttpConnection
from taskfactory.orchestrator.context.http_cache import CachedAnswer, HttpCache, cache_key
from taskfactory.orchestrator.context.references import is_reference, resolve
from taskfactory.orchestrator.context.resolving import Resolver, pinned_addresses
from taskfactory.orchestrator.context.trouble import ContextTrouble

CONNECT_TIMEOUT: Final = 5.0
"""Seconds for one address, where a host has several."""
LONGEST_RETRY_AFTER: Final = 300.0
LONGEST_TARGET: Final = 16_000
"""Characters of path and query; many servers refuse more than 8,000."""

_NOT_MODIFIED: Final = 304
_NO_CONTENT: Final = 204
_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """How long and how much, for one request."""

    timeout: float
    """Seconds."""
    max_bytes: int
    cache: float | None = None
    """Seconds for which an answer is used again; None: not at all."""


class HttpFetcher:
    """Sends requests and reads JSON. Used from one event loop."""

    def __init__(self, resolver: Resolver, cache: HttpCache, clock: Callable[[], float] = time.monotonic) -> None:
        """Look names up with `resolver`, and keep answers in `cache` by `clock`."""
        self._resolver = resolver
        self._cache = cache
        self._clock = clock
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def close(self) -> None:
        """Close what is open."""
        for client in self._clients.values():
            await client.aclose()

    async def fetch(self, name: str, connection: HttpConnection, request: HttpRequest, limits: HttpLimits) -> Any:
        """The JSON that the server answers; None for an answer without content.

        Args:
            name: the connection's.
            connection: where requests go and what is allowed there.
            request: what to ask for, below the base URL.
            limits: the author's; the connection's hold too.

        Raises:
            ContextTrouble: there is no value.
        """
        _check_allowed(name, connection, request)
        key = None if limits.cache is None else cache_key(name, request)
        kept = None if key is None else self._cache.get(key)
        if kept is not None and limits.cache is not None and self._clock() - kept.at < limits.cache:
            return _value(name, kept.body)
        seconds = min(limits.timeout, connection.timeout)
        try:
            async with asyncio.timeout(seconds):
                answer = await self._ask(name, connection, request, kept, min(limits.max_bytes, connection.max_bytes))
        except TimeoutError as error:
            message = f"connection {name}: no whole answer within {seconds:g} s"
            raise ContextTrouble("Timeout", message, retryable=True) from error
        if key is not None:
            self._cache.put(key, answer)
        return _value(name, answer.body)

    async def _ask(
        self, name: str, connection: HttpConnection, request: HttpRequest, kept: CachedAnswer | None, max_bytes: int
    ) -> CachedAnswer:
        headers = _headers(name, connection, request)
        if kept is not None and kept.etag is not None:
            headers["If-None-Match"] = kept.etag
        addresses = await pinned_addresses(name, connection, self._resolver)
        response = await self._send(name, connection, request, headers, addresses)
        try:
            if response.status_code == _NOT_MODIFIED and kept is not None:
                return CachedAnswer(kept.body, kept.etag, self._clock())
            _check_status(name, request, response)
            encoding = response.headers.get("content-encoding", "")
            body = await read_answer(name, response.aiter_raw(), encoding, max_bytes)
        except httpx.HTTPError as error:
            raise _unavailable(name, error) from error
        finally:
            await response.aclose()
        body = b"null" if response.status_code == _NO_CONTENT else body
        return CachedAnswer(body, response.headers.get("etag"), self._clock())

    async def _send(
        self, name: str, connection: HttpConnection, request: HttpRequest, headers: dict[str, str], addresses: list[str]
    ) -> httpx.Response:
        client = self._client(name, connection)
        for position, address in enumerate(addresses):
            sent = client.build_request(
                request.method,
                _url(connection, request, address),
                headers=headers,
                content=request.body,
                timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT if len(addresses) > 1 else None),
                extensions={"sni_hostname": connection.host},
            )
            try:
                return await client.send(sent, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if position == len(addresses) - 1:
                    raise _unavailable(name, error) from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise _unavailable(name, error) from error
        raise AssertionError("there is at least one address")

    def _client(self, name: str, connection: HttpConnection) -> httpx.AsyncClient:
        if name not in self._clients:
            try:
                trusted = ssl.create_default_context(cafile=connection.ca)
            except (OSError, ssl.SSLError) as error:
                message = f"connection {name}: its ca can't be read: {type(error).__name__}"
                raise ContextTrouble("Misconfigured", message, retryable=True) from error
            self._clients[name] = httpx.AsyncClient(
                verify=trusted,
                trust_env=False,
                follow_redirects=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # what one run is given, no other sends
                limits=httpx.Limits(max_connections=connection.max_connections),
            )
        return self._clients[name]


def _check_allowed(name: str, connection: HttpConnection, request: HttpRequest) -> None:
    if request.method not in connection.methods:
        message = f"connection {name}: found {request.method}; its operator allows {', '.join(connection.methods)}"
        raise ContextTrouble("NotAllowed", message)
    if not connection.allows(request.path):
        message = f"connection {name}: the path is not below those that its operator allows: {connection.paths}"
        raise ContextTrouble("NotAllowed", message)


def _headers(name: str, connection: HttpConnection, request: HttpRequest) -> dict[str, str]:
    """The author's headers, and over them what the connection and the client say."""
    headers = {header.lower(): value for header, value in request.headers.items()}
    headers |= {
        header.lower(): resolve(value) if is_reference(value) else value for header, value in connection.headers.items()
    }
    headers |= _authorization(connection)
    if unfit := sorted(header for header, value in headers.items() if header_text(value) is None):
        message = f"connection {name}: its {unfit[0]} holds what no header can carry; allowed is ASCII text in one line"
        raise ContextTrouble("Misconfigured", message, retryable=True)
    if request.body is not None:
        headers["content-type"] = "application/json"
    default = connection.url.port is None
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    fixed = {
        "host": host if default else f"{host}:{connection.port}",
        "accept": headers.get("accept", "application/json"),
        "accept-encoding": ACCEPTED_ENCODING,
    }
    return headers | fixed


def _authorization(connection: HttpConnection) -> Mapping[str, str]:
    match connection.auth:
        case BearerAuth():
            return {"authorization": f"Bearer {resolve(connection.auth.token)}"}
        case BasicAuth():
            pair = f"{connection.auth.user}:{resolve(connection.auth.password)}"
            return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _url(connection: HttpConnection, request: HttpRequest, address: str) -> httpx.URL:
    query = f"?{urlencode(request.query)}" if request.query else ""
    target = f"{connection.url.path}{request.path}{query}"
    if len(target) > LONGEST_TARGET:
        raise ContextTrouble("TooLarge", f"path and query have {len(target)} characters, allowed are {LONGEST_TARGET}")
    return httpx.URL(scheme=connection.url.scheme, host=address, port=connection.port, raw_path=target.encode("ascii"))


def _check_status(name: str, request: HttpRequest, response: httpx.Response) -> None:
    status = response.status_code
    if response.is_success:
        return
    answered = f"connection {name}: {request.method} was answered with {status}"
    if response.is_redirect or response.is_informational or status == _NOT_MODIFIED:
        raise ContextTrouble("Redirected", f"{answered}; redirects are not followed, name the right path")
    raise ContextTrouble(
        f"Http{status}", answered, retryable=status in _LATER, retry_after=_retry_after(response.headers)
    )


def _retry_after(headers: httpx.Headers) -> float | None:
    given = headers.get("retry-after", "")
    try:
        seconds = float(given) if given.isdigit() else parsedate_to_datetime(given).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _value(name: str, body: bytes) -> Any:
    try:
        value = parse(body)
        check(value)
    except (MalformedJson, UnfitValue) as error:
        # Without the reason's text, which may repeat the answer.
        raise ContextTrouble("Unreadable", f"connection {name}: the answer is no JSON that can be used") from error
    return value


def _unavailable(name: str, error: Exception) -> ContextTrouble:
    return ContextTrouble("Unavailable", f"connection {name}: {type(error).__name__}", retryable=True)
