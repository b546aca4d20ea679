"""Where context values come from: the event, the document, or sources outside.

What is outside (`http`, `sql`, `runs`, `plugin`) is named here and nothing more: addresses, credentials and what may be
reached are the operator's, under the name of a connection. What needs expressions compiled is checked in
`context_checks`.
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, WithJsonSchema, model_validator

from taskfactory.definitions.durations import parse_duration
from taskfactory.definitions.retry import Retry
from taskfactory.definitions.strict_model import Duration, StrictModel, problem
from taskfactory.definitions.texts import Cel, ContextName, Name, Reference, SecretPath, UrlPath

HttpMethod = Literal["GET", "POST", "PUT", "PATCH"]
EndedState = Literal["completed", "failed", "cancelled", "skipped"]
REMOTE_TYPES: Final = frozenset({"http", "sql", "runs", "plugin"})


def _null_as_text(value: Any) -> Any:
    return "null" if value is None else value  # YAML reads the word null as no value


OnError = Annotated[
    Literal["fail", "null", "default"],
    BeforeValidator(_null_as_text),
    WithJsonSchema({"enum": ["fail", "null", "default", None]}),
]


class _Source(StrictModel):
    name: ContextName
    """Expressions below see the value as `context.<name>`."""
    secret: tuple[SecretPath, ...] | None = Field(default=None, min_length=1, max_length=50, strict=False)
    """Fields of the value that are masked wherever it is shown: `token`, `cards.*.number`, or `$` for all of it."""


class EventContext(_Source):
    """A value computed from the event."""

    type: Literal["event"]
    """`event`: computed from the event."""
    expression: Cel
    """CEL over `event` and the `context` values above."""


class StaticContext(_Source):
    """A value written down here."""

    type: Literal["static"]
    """`static`: written down here."""
    value: JsonValue
    """Any JSON; strings may hold `${…}` templates over `event` and the `context` values above."""


class RemoteSource(_Source):
    """What all sources outside have in common."""

    type: str
    """Each has its own."""
    timeout: Duration = "10s"
    """Longest time of one attempt; the connection may allow less."""
    schedule_to_close: Duration = "24h"
    """Longest time in all, waiting and retries included."""
    retry: Retry = Retry(max_attempts=5)
    on_error: OnError = "fail"
    """When there is no value in the end: `fail` the run, go on with `null`, or with `default`."""
    default: JsonValue = None
    """The value of `on_error: default`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.on_error == "default" and self.default is None:
            raise problem("default", "found on_error: default without a default; give one, or write on_error: null")
        if self.on_error != "default" and self.default is not None:
            raise problem("default", f"found a default with on_error: {self.on_error}; write on_error: default")
        if parse_duration(self.timeout) > parse_duration(self.schedule_to_close):
            found = f"found timeout {self.timeout}, longer than schedule_to_close {self.schedule_to_close}"
            raise problem("order", f"{found}, which would end it earlier")
        return self


class HttpContext(RemoteSource):
    """The JSON that an HTTP server answers."""

    type: Literal["http"]
    """`http`: the JSON answer of a server."""
    connection: Reference
    """The operator's name for the server and the credentials."""
    method: HttpMethod = "GET"
    """One of those that the connection allows. A request may be sent more than once."""
    path: UrlPath
    """Below the connection's base URL; `${…}` fills in one segment or a part of one."""
    query: dict[str, JsonValue] = Field(default_factory=dict)
    """Parameters: text, numbers, booleans, lists of them; null leaves one out. Templates are filled in."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Further request headers; templates are filled in."""
    body: JsonValue = None
    """JSON to send, not with GET; templates are filled in."""
    cache: Duration | None = None
    """For how long a GET's answer is used again; then the server is asked whether it has changed (ETag)."""
    max_bytes: Annotated[int, Field(ge=1)] | None = None
    """Largest answer, unpacked; the connection may allow less."""


class SqlContext(RemoteSource):
    """The rows that a query gives."""

    type: Literal["sql"]
    """`sql`: the rows of a query."""
    connection: Reference
    """The operator's name for the database and the role."""
    query: str = Field(min_length=1, max_length=20_000)
    """One SELECT, with `%(name)s` where a parameter goes and `%%` for a percent sign. No templates."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Values of the parameters; templates are filled in, and bound, never written into the query."""
    max_rows: int = Field(default=100, ge=1, le=100_000)
    """Most rows; more are an error."""
    single: bool = False
    """One row as a mapping, null when there is none, an error when there are more; otherwise a list of mappings."""


class RunsContext(RemoteSource):
    """Earlier runs, with what their tasks gave."""

    type: Literal["runs"]
    """`runs`: earlier runs of this definition or another."""
    definition: Name | None = None
    """Whose runs; this definition's when left out."""
    state: tuple[EndedState, ...] = Field(default=("completed",), min_length=1, strict=False)
    """Ends that count."""
    limit: int = Field(default=1, ge=1, le=100)
    """Most runs; the newest come first."""
    within: Duration | None = None
    """Only runs that started so long ago or less."""


class PluginContext(RemoteSource):
    """A value that an installed plug-in gets."""

    type: Literal["plugin"]
    """`plugin`: a source of the installation's own."""
    plugin: Reference
    """Its name, as the operator has installed it."""
    with_: dict[str, JsonValue] = Field(default_factory=dict, alias="with")
    """What it is given; templates are filled in."""


ContextSource = Annotated[
    EventContext | StaticContext | HttpContext | SqlContext | RunsContext | PluginContext, Discriminator("type")
]
