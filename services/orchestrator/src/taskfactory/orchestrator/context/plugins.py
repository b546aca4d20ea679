"""Sources that an installation adds: objects with a `fetch`, found by entry points of `taskfactory.context_sources`."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Protocol, cast

from taskfactory.definitions.suggestions import unknown
from taskfactory.orchestrator.context.trouble import ContextTrouble

GROUP: Final = "taskfactory.context_sources"


@dataclass(frozen=True, slots=True)
class PluginRequest:
    """For which run a value is asked."""

    run_id: str
    """The same in every attempt: with `name`, an idempotency key."""
    name: str
    """The context value's."""
    definition: str
    """The definition's name."""
    timeout: float
    """Seconds after which `fetch` is cancelled."""


class ContextPlugin(Protocol):
    """What an entry point gives when it is called without arguments; made once in each process."""

    async def fetch(self, given: Mapping[str, Any], request: PluginRequest) -> Any:
        """The value, as JSON.

        It runs on the event loop of all sources: what blocks belongs into `asyncio.to_thread`. Raise `ContextTrouble`
        to say why there is no value; of any other exception, only the type is shown, and it is tried again.

        Args:
            given: the source's `with`, filled in.
            request: for which run.
        """


class Plugins:
    """The installed plug-ins, each loaded when it is first asked."""

    def __init__(self, found: Mapping[str, EntryPoint] | None = None) -> None:
        """Use these entry points; those that are installed when left out."""
        self._found = {each.name: each for each in entry_points(group=GROUP)} if found is None else dict(found)
        self._loaded: dict[str, ContextPlugin] = {}

    def named(self, name: str) -> ContextPlugin:
        """The plug-in of that name.

        Raises:
            ContextTrouble: there is none, or it can't be loaded.
        """
        if name not in self._found:
            message = (
                unknown("plug-in", name, sorted(self._found)) if self._found else f"plug-in {name!r} is not installed"
            )
            raise ContextTrouble("UnknownPlugin", message, retryable=True)
        if name not in self._loaded:
            try:
                self._loaded[name] = cast("ContextPlugin", self._found[name].load()())
            except Exception as error:  # whatever its code raises
                message = f"plug-in {name} can't be loaded: {type(error).__name__}"
                raise ContextTrouble("UnknownPlugin", message, retryable=True) from error
        return self._loaded[name]
