"""The steps that fetch a run's context: one activity for each source outside, and what follows when it gave up.

A value that is stored is never fetched again, so every step may run twice. What travels through Temporal is the run's
input, which it has already, and a reference; values stay in PostgreSQL.
"""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import timedelta
from functools import partial
from typing import Literal, TypeVar

import structlog
from pydantic import BaseModel
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from taskfactory.definitions import (
    ContextValue,
    RegisteredDefinition,
    RemoteSource,
    RenderFailed,
    RunInput,
    context_scrubber,
    context_values,
)
from taskfactory.envelope import Failure
from taskfactory.orchestrator import metrics
from taskfactory.orchestrator.context.fetching import Asking, SourceFetcher
from taskfactory.orchestrator.context.trouble import ContextTrouble
from taskfactory.registry import Refused, RunContextStore, StoredContext
from taskfactory.runtime import failpoint

T = TypeVar("T")

log = structlog.get_logger("taskfactory.orchestrator")


class ContextReference(BaseModel):
    """A stored value, as Temporal gets to know it."""

    name: str
    state: Literal["given", "fallback", "failed"]
    bytes: int
    """Of the value as JSON."""


class ContextActivities:
    """What `RunActivityWorkflow` calls between the claim and the plan."""

    def __init__(
        self,
        contexts: RunContextStore,
        version: Callable[[str, int], RegisteredDefinition],
        fetcher: SourceFetcher,
        executor: Executor,
        max_bytes: int,
    ) -> None:
        """Take the store of values, a look-up of definitions, and threads for what waits for the database."""
        self._contexts = contexts
        self._version = version
        self._fetcher = fetcher
        self._executor = executor
        self._max_bytes = max_bytes

    @activity.defn
    async def fetch_context(self, run: RunInput, name: str) -> ContextReference:
        """Fetch and store the value of one source, unless the run has it.

        Raises:
            ApplicationError: there is no value; retryable or not, as its source says.
        """
        definition, stored = await self._look_up(run)
        if (found := _named(stored, name)) is not None:
            return _reference(found)
        position, source = _source(definition, name)
        try:
            with metrics.CONTEXT_SECONDS.labels(source.type).time():
                value = await self._value(run, definition, stored, source, position)
            kept = await self._in_thread(partial(self._contexts.put, run.run_id, value))
        except (ContextTrouble, RenderFailed, Refused) as error:
            metrics.CONTEXT_FETCHES.labels(source.type, "failed").inc()
            trouble = _as_trouble(error, source)
            fetched = {each.name: each.value for each in stored}
            scrubber = await self._in_thread(partial(context_scrubber, definition.definition, run.event, fetched))
            message = scrubber.text(f"context {name}: {trouble.message}")
            log.info("context_not_fetched", run_id=run.run_id, source=name, kind=trouble.kind, error=message)
            raise ApplicationError(
                message,
                type=trouble.kind,
                non_retryable=not trouble.retryable,
                next_retry_delay=None if trouble.retry_after is None else timedelta(seconds=trouble.retry_after),
                category=ApplicationErrorCategory.BENIGN,  # the other side's trouble, no traceback of ours
            ) from None  # a cause would travel along, with whatever its message holds
        if kept is None:
            raise ApplicationError(f"run {run.run_id} has no row any more", type="RunLost", non_retryable=True)
        metrics.CONTEXT_FETCHES.labels(source.type, "given").inc()
        failpoint("orchestrator.after_fetch")
        return _reference(kept)

    @activity.defn
    def give_up_context(self, run: RunInput, name: str, error: Failure) -> ContextReference:
        """Store what stands for a value that its source did not give: null, the default, or that the run fails."""
        definition = self._version(run.activity_id, run.version)
        position, source = _source(definition, name)
        instead = ContextValue(
            name=name,
            position=position,
            type=source.type,
            secret=source.secret or (),
            value=source.default,  # null unless `on_error: default`
        )
        state: Literal["fallback", "failed"] = "failed" if source.on_error == "fail" else "fallback"
        stored = self._contexts.put(run.run_id, instead, state=state, error=error)
        if stored is None:
            raise ApplicationError(f"run {run.run_id} has no row any more", type="RunLost", non_retryable=True)
        metrics.CONTEXT_FETCHES.labels(source.type, "fallback" if state == "fallback" else "gave_up").inc()
        log.warning("context_given_up", run_id=run.run_id, source=name, state=stored.state, error=error.message)
        return _reference(stored)

    async def _value(
        self,
        run: RunInput,
        definition: RegisteredDefinition,
        stored: list[StoredContext],
        source: RemoteSource,
        position: int,
    ) -> ContextValue:
        fetched = {each.name: each.value for each in stored}
        _, bindings = await self._in_thread(
            partial(context_values, definition.definition, run.event, fetched, above=source.name)
        )
        value = await self._fetcher.fetch(Asking(run, source, ("context", position), bindings))
        size = len(json.dumps(value))
        if size > self._max_bytes:
            raise ContextTrouble("TooLarge", f"the value has {size} bytes, allowed are {self._max_bytes}")
        return ContextValue(
            name=source.name, position=position, type=source.type, secret=source.secret or (), value=value
        )

    async def _look_up(self, run: RunInput) -> tuple[RegisteredDefinition, list[StoredContext]]:
        definition = await self._in_thread(partial(self._version, run.activity_id, run.version))
        return definition, await self._in_thread(partial(self._contexts.values, run.run_id))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _named(stored: list[StoredContext], name: str) -> StoredContext | None:
    return next((each for each in stored if each.name == name), None)


def _source(definition: RegisteredDefinition, name: str) -> tuple[int, RemoteSource]:
    for position, source in enumerate(definition.definition.context):
        if source.name == name and isinstance(source, RemoteSource):
            return position, source
    raise ApplicationError(f"the definition has no source {name}", type="UnknownSource", non_retryable=True)


def _reference(stored: StoredContext) -> ContextReference:
    return ContextReference(name=stored.name, state=stored.state, bytes=len(json.dumps(stored.value)))


def _as_trouble(error: Exception, source: RemoteSource) -> ContextTrouble:
    match error:
        case ContextTrouble():
            return error
        case RenderFailed():
            return ContextTrouble(error.code, str(error))
        case Refused():
            return ContextTrouble("Refused", f"the value can't be stored: {error.reason}")
    raise AssertionError(f"{source.name}: {type(error).__name__} is no trouble of a source")
