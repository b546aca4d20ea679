"""`Idempotency-Key` on POST: the same request under the same key happens once, and is answered twice."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final

from pydantic_core import from_json, to_json
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from taskfactory.admin.problems import InputError, Problem
from taskfactory.admin.roles import Principal
from taskfactory.registry import Claim, IdempotencyKeys, InProgress, KeyReused, StoredAnswer

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
_KEPT_HEADERS: Final = ("content-type", "etag", "location")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_BROKEN: Final = 500
_RENEWALS: Final = 5
"""In one lease of a claim."""


class Answers:
    """Knows which requests were answered."""

    def __init__(self, keys: IdempotencyKeys) -> None:
        """Keep answers with these keys."""
        self._keys = keys

    async def once(
        self,
        request: Request,
        principal: Principal,
        key: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        *,
        never_stored: Collection[str] = (),
    ) -> Response:
        """The endpoint's answer, or the one that the same request had before.

        Answers with 5xx are not kept: the request came to nothing and may be tried again.

        Args:
            request: whose body has been read.
            principal: who calls; each has keys of their own.
            key: the header's value.
            endpoint: answers, and does what is asked for.
            never_stored: fields of the answer that are null when it is repeated.

        Raises:
            Problem: `invalid` for a key that can't be one, `in-progress` while the first request is being answered,
                `idempotency-key-reused` when the first request was another.
        """
        if not _KEY.fullmatch(key):
            message = "allowed are 1 to 255 printable ASCII characters without spaces, such as a UUID"
            raise Problem("invalid", "The key can't be used.", [InputError(f"header.{IDEMPOTENCY_KEY}", message)])
        digest = _digest(request, await request.body())
        try:
            found = await run_in_threadpool(self._keys.claim, principal.holder, key, digest)
        except InProgress:
            detail = f"A request with {IDEMPOTENCY_KEY} {key} is being answered; ask again for its answer."
            raise Problem("in-progress", detail, headers={"Retry-After": "1"}) from None
        except KeyReused:
            detail = f"{IDEMPOTENCY_KEY} {key} came with another request before; choose a new key for this one."
            raise Problem("idempotency-key-reused", detail) from None
        if isinstance(found, StoredAnswer):
            return Response(found.body, found.status, headers={**found.headers, REPLAYED: "true"})
        return await self._answered(request, found, endpoint, never_stored)

    async def _answered(
        self,
        request: Request,
        claim: Claim,
        endpoint: Callable[[Request], Awaitable[Response]],
        never_stored: Collection[str],
    ) -> Response:
        try:
            async with self._renewed(claim):
                response = await endpoint(request)
        except BaseException:
            # When the database is away too, the claim ends by itself.
            with suppress(Exception):
                await run_in_threadpool(self._keys.give_up, claim)
            raise
        if response.status_code >= _BROKEN:
            with suppress(Exception):
                await run_in_threadpool(self._keys.give_up, claim)
            return response
        headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        body = _without(bytes(response.body), never_stored)
        await run_in_threadpool(self._keys.answer, claim, StoredAnswer(response.status_code, headers, body))
        return response

    @asynccontextmanager
    async def _renewed(self, claim: Claim) -> AsyncIterator[None]:
        """Within the block the claim does not end, however long it takes: a redrive or a backfill may take hours."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(self._keys.lease.total_seconds() / _RENEWALS)
                with suppress(SQLAlchemyError):  # the next one may do it
                    await run_in_threadpool(self._keys.renew, claim)

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()


def _digest(request: Request, body: bytes) -> bytes:
    about = request.headers.get("if-match", "")  # which version is meant is part of what is asked for
    return _hashed((*(part.encode() for part in (request.method, request.url.path, request.url.query, about)), body))


def _hashed(parts: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.digest()


def _without(body: bytes, never_stored: Collection[str]) -> bytes:
    if not never_stored or not body:
        return body
    answer = from_json(body)
    return to_json({name: None if name in never_stored else value for name, value in answer.items()})
