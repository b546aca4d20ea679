"""The client of a schema registry: Confluent's REST API, as Confluent, Apicurio, Redpanda and Karapace serve it.

Needs the extra `taskfactory-envelope[registry]`. Invariants:
- A schema that was fetched is kept without expiry (an id's schema never changes), so an outage concerns new ids only.
- Only the registry's own word makes a record invalid: error 40401 to 40403, a schema that is not Avro. Whatever else it
  answers, or that it does not, is `RegistryUnavailable`: worth trying again, and nobody's dead letter.
- Nothing is retried here; whoever asks knows how patient to be. Many who ask for one id at a time make one request.
"""

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx

from taskfactory.envelope import json_text
from taskfactory.envelope.errors import InvalidCode, InvalidEnvelope, SchemaNeeded, shown
from taskfactory.envelope.writer_schema import SchemaRefused, WriterSchema, parse_writer_schema

UNKNOWN_SECONDS: Final = 10.0
"""For how long an id stays unknown without asking again: a producer may register it a moment later."""
MAX_REFERENCES: Final = 100
MIN_CAPACITY: Final = 2
"""One record may need two schemas at a time, its key's and its value's."""

_ACCEPT: Final = "application/vnd.schemaregistry.v1+json, application/json"
_NOT_FOUND: Final = (40401, 40402, 40403)
"""Subject, version, schema not found (Confluent, "Schema Registry API", errors)."""
_AVRO: Final = "AVRO"

T = TypeVar("T")


class RegistryUnavailable(Exception):  # noqa: N818 - the subject, not the mechanism
    """The registry gave no usable answer: unreachable, out of time, a refused login, an error of its own.

    Attributes:
        url: What was asked for.
        reason: A clause, such as `answers 503`.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"The schema registry {self.reason} ({self.url})."


@dataclass(frozen=True)
class RegistryConfig:
    """Where the registry is, and how to log in.

    Attributes:
        url: The base URL, to which `/schemas/ids/…` is appended; it may have a path.
        user: For basic authentication, with `password`.
        password: For basic authentication.
        token: Sent as a bearer token, instead of user and password.
        ca_file: PEM file with the authorities to trust; the system's without it.
        cert_file: PEM file with the client's certificate.
        key_file: PEM file with its key, unless it is in `cert_file`.
        timeout: Seconds for connecting, and for each part of the answer.
        capacity: How many schemas are kept; the least recently used go first.
    """

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    timeout: float = 10.0
    capacity: int = 1_000

    def __post_init__(self) -> None:
        parts = httpx.URL(self.url)
        if parts.scheme not in ("http", "https") or not parts.host or parts.userinfo:
            raise ValueError(
                "the schema registry's URL is no http(s) URL without user and password; "
                "those have settings of their own"
            )
        if self.token is not None and self.user is not None:
            raise ValueError("the schema registry takes a token, or user and password, not both")
        if self.capacity < MIN_CAPACITY:
            raise ValueError(f"the schema registry's capacity is {self.capacity}; allowed are {MIN_CAPACITY} or more")


class SchemaRegistry:
    """The schemas that are known, and a way to learn more.

    It belongs to one event loop. `decode` takes it as `schemas`.
    """

    def __init__(self, config: RegistryConfig, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Connect to nothing yet.

        Raises:
            OSError: A certificate or key cannot be read.
        """
        self._config = config
        self._clock = clock
        self._http = _client(config)
        self._verdicts: OrderedDict[int, WriterSchema | InvalidEnvelope] = OrderedDict()
        self._unknown: OrderedDict[int, tuple[float, InvalidEnvelope]] = OrderedDict()
        self._asking: dict[int, asyncio.Task[WriterSchema | InvalidEnvelope]] = {}

    def get(self, schema_id: int, /) -> WriterSchema | None:
        """Give a schema that is known already; see `Schemas`."""
        verdict = self._verdicts.get(schema_id)
        if not isinstance(verdict, WriterSchema):
            return None
        self._verdicts.move_to_end(schema_id)
        return verdict

    async def read(self, record: Callable[[], T]) -> T:
        """Run a pure reading, and again for every schema that it turns out to need.

        Args:
            record: Such as `lambda: decode(value, headers, key, registry)`.

        Raises:
            InvalidEnvelope: The reading's own, or that a schema is unknown or not Avro.
            RegistryUnavailable: A schema is needed and cannot be had now.
        """
        while True:
            try:
                return record()
            except SchemaNeeded as needed:
                await self.fetch(needed.schema_id)

    async def fetch(self, schema_id: int) -> WriterSchema:
        """Give a schema, from the registry unless it is known.

        Raises:
            InvalidEnvelope: Nobody can read records with this id: the registry does not know it (`unknown_schema`), or
                it is no Avro schema that is read (`unsupported_format`).
            RegistryUnavailable: Ask again later.
        """
        verdict = self._verdict(schema_id)
        if verdict is None:
            task = self._asking.get(schema_id)
            if task is None:
                task = self._asking[schema_id] = asyncio.create_task(self._ask(schema_id))
                task.add_done_callback(lambda done: self._asked(schema_id, done))
            verdict = await asyncio.shield(task)
        if isinstance(verdict, InvalidEnvelope):
            raise InvalidEnvelope(verdict.code, verdict.field, verdict.message)
        return verdict

    async def close(self) -> None:
        """End what is being asked, and free the connections."""
        for task in tuple(self._asking.values()):
            task.cancel()
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _verdict(self, schema_id: int) -> WriterSchema | InvalidEnvelope | None:
        if (verdict := self._verdicts.get(schema_id)) is not None:
            self._verdicts.move_to_end(schema_id)
            return verdict
        until, unknown = self._unknown.get(schema_id, (0.0, None))
        return unknown if self._clock() < until else None

    def _asked(self, schema_id: int, task: asyncio.Task[WriterSchema | InvalidEnvelope]) -> None:
        del self._asking[schema_id]
        if not task.cancelled():
            task.exception()  # it was told to those who wait; if they left, it is nobody's

    async def _ask(self, schema_id: int) -> WriterSchema | InvalidEnvelope:
        verdict: WriterSchema | InvalidEnvelope
        try:
            verdict = await self._schema(schema_id)
        except _Refused as refused:
            verdict = InvalidEnvelope(refused.code, None, f"The value's schema {schema_id} {refused}.")
        if isinstance(verdict, InvalidEnvelope) and verdict.code == InvalidCode.UNKNOWN_SCHEMA:
            self._unknown[schema_id] = (self._clock() + UNKNOWN_SECONDS, verdict)
            _bound(self._unknown, self._config.capacity)
        else:
            self._verdicts[schema_id] = verdict
            _bound(self._verdicts, self._config.capacity)
        return verdict

    async def _schema(self, schema_id: int) -> WriterSchema:
        answer = await self._get(f"/schemas/ids/{schema_id}")
        kind = answer.get("schemaType") or _AVRO
        if kind != _AVRO:
            raise _Refused(InvalidCode.UNSUPPORTED_FORMAT, f"is {shown(kind)}; only Avro is read")
        references: dict[tuple[str, int], str] = {}
        await self._collect(answer, references, ())
        try:
            return parse_writer_schema(answer["schema"], tuple(references.values()))
        except SchemaRefused as error:
            raise _Refused(InvalidCode.UNSUPPORTED_FORMAT, str(error)) from None

    async def _collect(
        self, answer: dict[str, Any], into: dict[tuple[str, int], str], above: tuple[tuple[str, int], ...]
    ) -> None:
        """Fetch what a schema references, each behind what it references itself."""
        for reference in answer.get("references") or ():
            subject, number = _member(reference, "subject"), _member(reference, "version")
            if not isinstance(subject, str) or not isinstance(number, int):
                raise RegistryUnavailable(self._config.url, "answers with a reference without subject and version")
            version = subject, number
            if version in into:
                continue
            if version in above or len(into) + len(above) >= MAX_REFERENCES:
                raise _Refused(
                    InvalidCode.UNSUPPORTED_FORMAT, f"references itself, or more than {MAX_REFERENCES} others"
                )
            # A version that was deleted since is still what values were written with.
            place = f"/subjects/{quote(subject, safe='')}/versions/{number}?deleted=true"
            referenced = await self._get(place)
            await self._collect(referenced, into, (*above, version))
            into[version] = referenced["schema"]

    async def _get(self, place: str) -> dict[str, Any]:
        url = self._config.url.rstrip("/") + place
        try:
            response = await self._http.get(url)
        except (httpx.HTTPError, OSError) as error:  # OSError: TLS alerts that come late are not httpx's
            reason = f"does not answer: {type(error).__name__} {error}".rstrip()
            raise RegistryUnavailable(url, reason) from error
        try:
            answer = json_text.parse(response.content)
        except json_text.MalformedJson:
            answer = None
        if response.status_code == HTTPStatus.NOT_FOUND and _member(answer, "error_code") in _NOT_FOUND:
            message = shown(str(_member(answer, "message")))
            raise _Refused(InvalidCode.UNKNOWN_SCHEMA, f"is not known to the schema registry: {message}")
        if response.status_code != HTTPStatus.OK:
            raise RegistryUnavailable(url, f"answers {response.status_code}")
        if not isinstance(_member(answer, "schema"), str):
            raise RegistryUnavailable(url, "answers without a schema; is the URL the one of its Confluent API?")
        return dict(answer)


class _Refused(Exception):  # noqa: N818 - it never leaves this module
    """Records of this schema are not read, for a reason of the registry's."""

    def __init__(self, code: InvalidCode, clause: str) -> None:
        super().__init__(clause)
        self.code = code


def _client(config: RegistryConfig) -> httpx.AsyncClient:
    verify = ssl.create_default_context(cafile=config.ca_file)
    if config.cert_file is not None:
        verify.load_cert_chain(config.cert_file, config.key_file)
    headers = {"Accept": _ACCEPT}
    if config.token is not None:
        headers["Authorization"] = f"Bearer {config.token}"
    auth = None if config.user is None else httpx.BasicAuth(config.user, config.password or "")
    return httpx.AsyncClient(verify=verify, auth=auth, headers=headers, timeout=config.timeout)


def _member(answer: object, name: str) -> Any:
    return answer.get(name) if isinstance(answer, dict) else None


def _bound(entries: OrderedDict[int, Any], capacity: int) -> None:
    while len(entries) > capacity:
        entries.popitem(last=False)
