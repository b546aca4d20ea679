"""What fetching context is made of, and how it ends."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from taskfactory.definitions import RegisteredDefinition
from taskfactory.orchestrator.context.activities import ContextActivities
from taskfactory.orchestrator.context.connections import parse_connections
from taskfactory.orchestrator.context.fetching import SourceFetcher
from taskfactory.orchestrator.context.http import HttpFetcher
from taskfactory.orchestrator.context.http_cache import HttpCache
from taskfactory.orchestrator.context.plugins import Plugins
from taskfactory.orchestrator.context.resolving import SystemResolver
from taskfactory.orchestrator.context.settings import ContextSettings
from taskfactory.orchestrator.context.sql import SqlFetcher
from taskfactory.registry import RunContextStore


class ContextSources:
    """Everything that reaches outside for context, with what it holds open."""

    def __init__(self, engine: Engine, settings: ContextSettings, threads: int) -> None:
        """Use the registry at `engine`, from so many threads at most."""
        self.store = RunContextStore(engine)
        self._max_bytes = settings.max_context_bytes
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="context")
        self._http = HttpFetcher(SystemResolver(), HttpCache(settings.context_cache_bytes))
        self._fetcher = SourceFetcher(
            parse_connections(settings.connections),
            http=self._http,
            sql=SqlFetcher(),
            plugins=Plugins(),
            earlier_runs=self.store.earlier_runs,
            max_bytes=settings.max_context_bytes,
        )

    def activities(self, version: Callable[[str, int], RegisteredDefinition]) -> ContextActivities:
        """The steps; `version` looks a definition up."""
        return ContextActivities(self.store, version, self._fetcher, self._executor, self._max_bytes)

    async def close(self) -> None:
        """Close connections; steps under way end by themselves."""
        await self._http.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
