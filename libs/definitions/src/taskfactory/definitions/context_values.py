"""The context of a run: local values computed, values from outside put in, each seeing those above it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict

from taskfactory.definitions.cel import Bindings, CompileError
from taskfactory.definitions.context_sources import ContextSource, EventContext, RemoteSource, StaticContext
from taskfactory.definitions.expression_checks import context_variable
from taskfactory.definitions.filling import RenderFailed, evaluate, fill
from taskfactory.definitions.masking import Scrubber, secrets_of
from taskfactory.definitions.model import ActivityDefinition
from taskfactory.definitions.paths import render_path


class ContextValue(BaseModel):
    """One value of a run's context."""

    model_config = ConfigDict(frozen=True)

    name: str
    position: int
    """Place within the definition's `context`, from 0."""
    type: str
    """The source's."""
    secret: tuple[str, ...]
    """Paths within the value that are never shown."""
    value: Any


def remote_sources(definition: ActivityDefinition) -> list[RemoteSource]:
    """The sources whose values have to be fetched, in their order."""
    return [source for source in definition.context if isinstance(source, RemoteSource)]


def context_values(
    definition: ActivityDefinition, event: Mapping[str, Any], fetched: Mapping[str, Any], *, above: str | None = None
) -> tuple[list[ContextValue], Bindings]:
    """The values in their order, and the event with all of them as expressions see them.

    Args:
        definition: in the version that matched.
        event: the envelope in CloudEvents JSON form.
        fetched: values from outside, by name.
        above: only the values above the source of this name; all when left out.

    Raises:
        RenderFailed: An expression or template fails, or a value from outside is not there.
    """
    bindings = Bindings({"event": dict(event)})
    values: list[ContextValue] = []
    for position, source in _until(definition, above):
        value = _value(source, position, fetched, bindings)
        values.append(
            ContextValue(name=source.name, position=position, type=source.type, secret=source.secret or (), value=value)
        )
        bindings = Bindings({context_variable(source.name): value}, bindings)
    return values, bindings


def context_scrubber(definition: ActivityDefinition, event: Mapping[str, Any], fetched: Mapping[str, Any]) -> Scrubber:
    """What takes the secrets of a run's context out of texts, also where some of the context can't be worked out.

    Args:
        definition: in the version that matched.
        event: the envelope in CloudEvents JSON form.
        fetched: values from outside, as far as they are there, by name.
    """
    bindings = Bindings({"event": dict(event)})
    secrets: set[str | float] = set()
    for position, source in enumerate(definition.context):
        # What has no value holds no secret, and what is made with it has none either.
        with suppress(RenderFailed, CompileError):
            value = _value(source, position, fetched, bindings)
            secrets |= secrets_of(value, source.secret or ())
            bindings = Bindings({context_variable(source.name): value}, bindings)
    return Scrubber(secrets)


def _until(definition: ActivityDefinition, name: str | None) -> Iterator[tuple[int, ContextSource]]:
    for position, source in enumerate(definition.context):
        if source.name == name:
            return
        yield position, source


def _value(source: ContextSource, position: int, fetched: Mapping[str, Any], bindings: Bindings) -> Any:
    if isinstance(source, EventContext):
        return evaluate(source.expression, ("context", position, "expression"), bindings)
    if isinstance(source, StaticContext):
        return fill(source.value, ("context", position, "value"), bindings)
    if source.name not in fetched:
        message = f"the value of context.{source.name} comes from outside (type {source.type}) and was not given"
        raise RenderFailed("context_missing", render_path(("context", position)), None, message)
    return fetched[source.name]
