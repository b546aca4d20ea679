"""From a source and what it sees to its value: templates filled in, the connection looked up, the other side asked."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from taskfactory.definitions import (
    HttpContext,
    PluginContext,
    RemoteSource,
    RunInput,
    RunsContext,
    SqlContext,
    fill,
    render_request,
)
from taskfactory.definitions.cel import Bindings
from taskfactory.definitions.durations import parse_duration
from taskfactory.definitions.paths import Path
from taskfactory.definitions.suggestions import unknown
from taskfactory.envelope.json_text import UnfitValue, check
from taskfactory.orchestrator.context.connections import HttpConnection, SqlConnection
from taskfactory.orchestrator.context.http import HttpFetcher, HttpLimits
from taskfactory.orchestrator.context.plugins import PluginRequest, Plugins
from taskfactory.orchestrator.context.sql import Query, SqlFetcher
from taskfactory.orchestrator.context.trouble import ContextTrouble
from taskfactory.registry import EarlierRuns, ResultsTooLarge

C = TypeVar("C", HttpConnection, SqlConnection)

EarlierRunsReader = Callable[[EarlierRuns, int], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Asking:
    """A source on its turn."""

    run: RunInput
    source: RemoteSource
    place: Path
    """Where the source stands in the definition."""
    bindings: Bindings
    """The event, and the context above."""


class SourceFetcher:
    """Asks sources of every type. Used from one event loop."""

    def __init__(  # noqa: PLR0913 -- one for each type, and the limit
        self,
        connections: Mapping[str, HttpConnection | SqlConnection],
        *,
        http: HttpFetcher,
        sql: SqlFetcher,
        plugins: Plugins,
        earlier_runs: EarlierRunsReader,
        max_bytes: int,
    ) -> None:
        """Reach what `connections` name; `max_bytes` bounds each value as JSON."""
        self._connections = connections
        self._http = http
        self._sql = sql
        self._plugins = plugins
        self._earlier_runs = earlier_runs
        self._max_bytes = max_bytes

    async def fetch(self, asking: Asking) -> Any:
        """The value.

        Raises:
            ContextTrouble: there is none.
            RenderFailed: a template fails.
        """
        match asking.source:
            case HttpContext() as source:
                return await self._from_http(source, asking)
            case SqlContext() as source:
                return await self._from_sql(source, asking)
            case RunsContext() as source:
                return await self._from_runs(source, asking)
            case PluginContext() as source:
                return await self._from_plugin(source, asking)
        raise AssertionError(f"no source is of type {type(asking.source).__name__}")

    async def _from_http(self, source: HttpContext, asking: Asking) -> Any:
        connection = self._connection(source.connection, HttpConnection)
        request = await asyncio.to_thread(render_request, source, asking.place, asking.bindings)
        limits = HttpLimits(
            timeout=parse_duration(source.timeout),
            max_bytes=min(source.max_bytes or self._max_bytes, self._max_bytes),
            cache=None if source.cache is None else parse_duration(source.cache),
        )
        return await self._http.fetch(source.connection, connection, request, limits)

    async def _from_sql(self, source: SqlContext, asking: Asking) -> Any:
        connection = self._connection(source.connection, SqlConnection)
        params = await asyncio.to_thread(fill, source.params, (*asking.place, "params"), asking.bindings)
        query = Query(
            text=source.query,
            params=params,
            timeout=parse_duration(source.timeout),
            max_rows=source.max_rows,
            max_bytes=self._max_bytes,
            single=source.single,
        )
        return await self._sql.fetch(source.connection, connection, query)

    async def _from_runs(self, source: RunsContext, asking: Asking) -> Any:
        asked = EarlierRuns(
            run_id=asking.run.run_id,
            definition=source.definition or asking.run.activity_name,
            states=source.state,
            limit=source.limit,
            within=None if source.within is None else timedelta(seconds=parse_duration(source.within)),
        )
        try:
            async with asyncio.timeout(parse_duration(source.timeout)):
                return await asyncio.to_thread(self._earlier_runs, asked, self._max_bytes)
        except ResultsTooLarge as error:
            message = f"{error}, allowed are {self._max_bytes}; ask for fewer runs (limit)"
            raise ContextTrouble("TooLarge", message) from error
        except TimeoutError as error:
            message = f"the registry did not answer within {source.timeout}"
            raise ContextTrouble("Timeout", message, retryable=True) from error

    async def _from_plugin(self, source: PluginContext, asking: Asking) -> Any:
        plugin = self._plugins.named(source.plugin)
        given = await asyncio.to_thread(fill, source.with_, (*asking.place, "with"), asking.bindings)
        seconds = parse_duration(source.timeout)
        request = PluginRequest(asking.run.run_id, source.name, asking.run.activity_name, seconds)
        try:
            async with asyncio.timeout(seconds):
                value = await plugin.fetch(given, request)
        except ContextTrouble:
            raise
        except TimeoutError as error:
            message = f"plug-in {source.plugin}: no value within {seconds:g} s"
            raise ContextTrouble("Timeout", message, retryable=True) from error
        except Exception as error:  # whatever its code raises; the message may hold anything
            message = f"plug-in {source.plugin}: {type(error).__name__}"
            raise ContextTrouble("Unavailable", message, retryable=True) from error
        try:
            check(value)
        except UnfitValue as error:
            raise ContextTrouble("Unreadable", f"plug-in {source.plugin}: the value is no JSON") from error
        return value

    def _connection(self, name: str, kind: type[C]) -> C:
        connection = self._connections.get(name)
        of_kind = sorted(each for each, found in self._connections.items() if isinstance(found, kind))
        if isinstance(connection, kind):
            return connection
        wanted = kind.model_fields["type"].annotation
        message = unknown("connection", name, of_kind) if of_kind else f"unknown connection {name!r}; there is none"
        message += f" (of type {getattr(wanted, '__args__', ('?',))[0]}); connections are the operator's to name"
        raise ContextTrouble("UnknownConnection", message)
