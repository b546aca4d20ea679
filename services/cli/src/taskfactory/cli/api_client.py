"""The Admin API for the length of one command: over HTTP, or brought along in this process.

With `TASKFACTORY_API_URL` requests go there. Without it the API's application is loaded into this process and works on
the database, Temporal and Kafka of its settings, as `local:<login>` with every role; no port is opened. Requests and
answers are the same, so a command has one way of doing things.

Requests that can be repeated without doing anything twice are: reads, and POSTs, whose `Idempotency-Key` makes a second
arrival of the same request answer as the first did.
"""

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from importlib import metadata
from typing import Any, Final
from urllib.parse import quote

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_random_exponential,
)

from taskfactory.cli.api_problems import Problem, problem_of
from taskfactory.cli.api_settings import ApiSettings
from taskfactory.cli.errors import CommandFailed, OperationFailed
from taskfactory.cli.variables import reaching

PAGE: Final = 500
"""Items of one page at most, as the API allows."""
ATTEMPTS: Final = 4
TRY_AGAIN: Final = frozenset({429, 502, 503, 504})
UNAVAILABLE: Final = "unavailable"
"""The API's code for a server of its own that is away."""
NOT_MIGRATED: Final = "not-migrated"
"""Its code for a database that somebody has to do something about: the next answer would be the same."""
SOON: Final = 5
"""Seconds; a server that asks for more patience is told to the user instead."""


@dataclass(frozen=True)
class Answer:
    """What a request came to."""

    status: int
    value: Any
    """The body's JSON value; None without a body."""
    etag: str | None = None


class Api:
    """The routes' callers; every method raises `CommandFailed` when the API says no."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient, address: str | None) -> None:
        """Take a connected client.

        Args:
            portal: of the event loop in which the client lives.
            client: with its base URL and authentication.
            address: the API's; None when it is in this process.
        """
        self._portal = portal
        self._client = client
        self._remote = address is not None
        self._where = f"The Admin API at {address}" if self._remote else "The Admin API in this process"

    def get(self, path: str, **params: Any) -> Any:
        """The JSON value at a path; parameters that are None are left out."""
        return self.ask("GET", path, params=params).value

    def pages(self, path: str, limit: int | None, **params: Any) -> Iterator[Mapping[str, Any]]:
        """The items of a list, page after page, `limit` at most."""
        left = limit
        cursor = None
        while left is None or left > 0:
            size = PAGE if left is None else min(left, PAGE)
            page = self.get(path, **params, limit=size, cursor=cursor)
            yield from page["items"][:left]
            cursor = page["next_cursor"]
            left = None if left is None else left - len(page["items"])
            if cursor is None:
                return

    def post(self, path: str, body: Any, *, etag: str | None = None, key: str | None = None) -> Answer:
        """Send something to be done once.

        Args:
            path: where to.
            body: a JSON value.
            etag: of what it is based on.
            key: makes it the same request as another; without one it is a new request.
        """
        return self.ask("POST", path, body=body, etag=etag, key=key or str(uuid.uuid4()))

    def question(self, path: str, body: Any) -> Any:
        """The answer to a POST that changes nothing."""
        return self.ask("POST", path, body=body).value

    def delete(self, path: str, *, etag: str | None = None, **params: Any) -> None:
        """Delete what is at a path, as it was when its ETag was read."""
        self.ask("DELETE", path, params=params, etag=etag)

    def ask(  # noqa: PLR0913 -- the parts of a request
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        etag: str | None = None,
        key: str | None = None,
    ) -> Answer:
        """Send one request and read its answer.

        Raises:
            CommandFailed: the API, or the way to it, says no; the message says what to do.
        """
        headers = {name: value for name, value in (("If-Match", etag), ("Idempotency-Key", key)) if value is not None}
        request = self._client.build_request(
            method,
            path,
            params=[(name, _text(each)) for name, value in (params or {}).items() for each in _values(value)],
            json=body,
            headers=headers,
        )
        # A DELETE that arrived would be "not found" the second time.
        attempts = ATTEMPTS if self._remote and method != "DELETE" else 1
        try:
            answer = self._portal.call(self._send, request, attempts)
        except httpx.TimeoutException as error:
            raise OperationFailed(
                f"{self._where} did not answer in time.", "TASKFACTORY_API_TIMEOUT is how many seconds to wait."
            ) from error
        except httpx.TransportError as error:
            raise OperationFailed(
                f"{self._where} could not be reached: {str(error) or type(error).__name__}.",
                "Start it (`taskfactory run`), check TASKFACTORY_API_URL, or unset that: commands then bring the API "
                "along.",
            ) from error
        if not answer.is_success:
            raise self._failure(problem_of(answer.status_code, answer.content, self._where))
        value = answer.json() if answer.content else None
        return Answer(answer.status_code, value, answer.headers.get("ETag"))

    def _failure(self, problem: Problem) -> CommandFailed:
        if problem.code == UNAVAILABLE and not self._remote:
            # The servers are those of this process's own settings.
            return OperationFailed(
                problem.detail, reaching("TASKFACTORY_DATABASE_URL", " and `taskfactory config admin`")
            )
        return problem.failure

    async def _send(self, request: httpx.Request, attempts: int) -> httpx.Response:
        retrying = AsyncRetrying(
            stop=stop_after_attempt(attempts),
            wait=wait_random_exponential(multiplier=0.2, max=SOON),
            retry=retry_if_exception_type(httpx.TransportError) | retry_if_result(_not_now),
            retry_error_callback=_last_word,
        )
        answer: httpx.Response = await retrying(self._client.send, request)
        return answer


@contextmanager
def admin_api(settings: ApiSettings | None = None) -> Iterator[Api]:
    """The API that the settings name, or one in this process.

    Raises:
        BadInput: a setting of the API in this process is wrong.
        CommandFailed: within the block, the API said no or could not be reached.
    """
    settings = settings or ApiSettings()
    connecting = _over_http(settings) if settings.api_url is not None else _in_process()
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(connecting) as client:
        yield Api(portal, client, settings.api_url)


def path_of(*parts: str) -> str:
    """`/v1/…` with every part quoted: names come from users."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


@asynccontextmanager
async def _over_http(settings: ApiSettings) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"User-Agent": f"taskfactory/{metadata.version('taskfactory-cli')}"}
    if settings.api_key is not None:
        headers["Authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
    # The time to connect is short: an address where nobody answers is told soon.
    timeout = httpx.Timeout(settings.api_timeout, connect=min(5.0, settings.api_timeout))
    async with httpx.AsyncClient(base_url=settings.api_url or "", headers=headers, timeout=timeout) as client:
        yield client


def _in_process() -> AbstractAsyncContextManager[httpx.AsyncClient]:
    from taskfactory.cli.local_api import local_api  # noqa: PLC0415 -- loads every library's every dependency

    return local_api()


def _not_now(answer: httpx.Response) -> bool:
    """Whether the server asks for a little patience; also while the same request, sent before, is being answered."""
    after = answer.headers.get("Retry-After")
    if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE and _code(answer) == NOT_MIGRATED:
        return False
    asks = answer.status_code in TRY_AGAIN or (answer.status_code == HTTPStatus.CONFLICT and after is not None)
    return asks and (after is None or not after.isdecimal() or int(after) <= SOON)


def _code(answer: httpx.Response) -> str:
    return problem_of(answer.status_code, answer.content, "").code


def _last_word(state: RetryCallState) -> Any:
    """The last attempt's answer, or its error."""
    assert state.outcome is not None  # noqa: S101 -- for the type checker: an attempt was made
    return state.outcome.result()


def _values(parameter: Any) -> list[Any]:
    """None is left out, a list is given once for each item."""
    return [] if parameter is None else parameter if isinstance(parameter, list) else [parameter]


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)
