"""Connections: what the operator allows context sources to reach, under names of the operator's choice.

A definition names a connection and nothing else. Hosts, roles, credentials, networks, methods and paths are here.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from taskfactory.definitions.http_paths import header_problem, header_text, whole_path_problem
from taskfactory.definitions.suggestions import unknown
from taskfactory.orchestrator.context.addresses import Network, parse_network
from taskfactory.orchestrator.context.references import SecretReference, is_reference

_SECRET_HEADERS: Final = ("auth", "cookie", "key", "token", "secret", "password", "session")
_PORTS: Final = {"http": 80, "https": 443}


def _listed(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    listed = _listed(value)
    return [each.upper() if isinstance(each, str) else each for each in listed] if isinstance(listed, list) else listed


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BearerAuth(_Part):
    """`Authorization: Bearer …`."""

    type: Literal["bearer"]
    token: SecretReference


class BasicAuth(_Part):
    """User and password."""

    type: Literal["basic"]
    user: str
    password: SecretReference


class HttpConnection(_Part):
    """An HTTP server."""

    type: Literal["http"]
    base_url: str
    """Scheme, host, port and the path that every request begins with."""
    paths: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ("/",)
    """Where requests may go below the base URL: prefixes, whole segments at a time."""
    methods: Annotated[tuple[Literal["GET", "POST", "PUT", "PATCH"], ...], BeforeValidator(_upper)] = ("GET",)
    """A request may be sent more than once, so allow only what changes nothing."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with every request; secrets as `env:NAME` or `file:/path`."""
    auth: Annotated[BearerAuth | BasicAuth, Discriminator("type")] | None = None
    allowed_networks: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    """Networks that may be reached though they are not public, as `10.1.0.0/16` or `127.0.0.1`."""
    ca: Path | None = None
    """PEM file with the authorities to trust; the system's without it."""
    timeout: float = Field(30.0, gt=0, le=600)
    """Seconds of one request in all, at most."""
    max_bytes: int = Field(1_000_000, ge=1)
    """Largest answer, unpacked."""
    max_connections: int = Field(10, ge=1)
    """Requests at the same time, in each process."""

    @field_validator("base_url")
    @classmethod
    def _base_is_plain(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in _PORTS and parts.hostname and parts.port != 0
        except ValueError:
            usable, parts = False, SplitResult("", "", "", "", "")
        if not usable or "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("allowed is http(s)://host[:port][/path], without user, password, query and fragment")
        if not parts.netloc.isascii():  # libraries differ in what they make of it, and so in whom they ask
            raise ValueError(
                "the host has characters beyond ASCII; write it as DNS has it, in punycode: "
                "xn--mnchen-3ya.example for münchen.example"
            )
        if problem := whole_path_problem(parts.path or "/"):
            raise ValueError(problem)
        return url.rstrip("/")

    @field_validator("paths")
    @classmethod
    def _prefixes_are_plain(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if not path.startswith("/") or (problem := whole_path_problem(path)):
                raise ValueError(f"found {path!r}; allowed are paths that begin with /" if path[:1] != "/" else problem)
        return paths

    @field_validator("headers")
    @classmethod
    def _secrets_are_references(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            secret = any(word in name.lower() for word in _SECRET_HEADERS)
            if secret and not is_reference(value):
                raise ValueError(f"{name}: allowed is env:NAME or file:/path; a secret is never written here")
            if not secret and (problem := header_problem(name)):
                raise ValueError(problem)
            if header_text(value) is None:
                raise ValueError(f"{name}: allowed is ASCII text without control characters")
        return headers

    @field_validator("allowed_networks")
    @classmethod
    def _networks_are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            parse_network(network)
        return networks

    @cached_property
    def url(self) -> SplitResult:
        """`base_url` in parts."""
        return urlsplit(self.base_url)

    @property
    def host(self) -> str:
        """Name or address, as the operator wrote it."""
        return self.url.hostname or ""

    @property
    def port(self) -> int:
        """The scheme's own when the URL has none."""
        return self.url.port or _PORTS[self.url.scheme]

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """`allowed_networks`, parsed."""
        return tuple(parse_network(network) for network in self.allowed_networks)

    def allows(self, path: str) -> bool:
        """Whether the path lies below one of the prefixes."""
        return any(path == prefix or path.startswith(f"{prefix.rstrip('/')}/") for prefix in self.paths)


class SqlConnection(_Part):
    """A PostgreSQL database, and the role that queries run under."""

    type: Literal["sql"]
    url: SecretReference
    """Of `postgresql://user:password@host:port/database`. The role's own rights are what queries can reach."""
    timeout: float = Field(30.0, gt=0, le=600)
    """Seconds of one query in all, at most."""
    max_rows: int = Field(10_000, ge=1)
    max_bytes: int = Field(1_000_000, ge=1)
    """Largest answer, as JSON."""
    max_connections: int = Field(5, ge=1)
    """Queries at the same time, in each process."""


Connection = Annotated[HttpConnection | SqlConnection, Discriminator("type")]

_ADAPTER: Final[TypeAdapter[HttpConnection | SqlConnection]] = TypeAdapter(Connection)
_KINDS: Final[dict[str, type[HttpConnection | SqlConnection]]] = {"http": HttpConnection, "sql": SqlConnection}


def parse_connections(given: Mapping[str, Any]) -> dict[str, HttpConnection | SqlConnection]:
    """Read connections by name.

    Raises:
        ValueError: with a sentence for everything that is wrong; it repeats no value, any may be a secret.
    """
    found: dict[str, HttpConnection | SqlConnection] = {}
    problems: list[str] = []
    for name, fields in given.items():
        if isinstance(fields, HttpConnection | SqlConnection):
            found[name] = fields
            continue
        try:
            found[name] = _ADAPTER.validate_python(fields)
        except ValidationError as error:
            problems += [f"{name}{_sentence(item['loc'], item['msg'])}" for item in error.errors(include_url=False)]
    if problems:
        raise ValueError("; ".join(problems))
    return found


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    kind = _KINDS.get(str(location[0])) if location else None
    path = ".".join(map(str, location[1:] if kind else location))
    if message.startswith("Extra inputs") and kind and len(location) == 2:  # noqa: PLR2004 -- kind and field
        message = unknown("field", str(location[1]), kind.model_fields)
    return f"{'.' if path else ''}{path}: {message.removeprefix('Value error, ')}"
