"""Running ended runs again: each once, in a generation of its own, in the definition's present version.

The generation is written down before the run is started and belongs to the run that it repeats, so that a command
that was interrupted, or called twice, starts no second one.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from temporalio.client import Client

from taskfactory.definitions import InvalidDefinitions, RunInput, run_id_in_generation
from taskfactory.intake.past_events import PastEvents
from taskfactory.intake.past_inputs import (
    InputGone,
    input_in_event,
    input_in_temporal,
    is_trigger_of,
)
from taskfactory.intake.starter import Refused, Start, Starter, new_request_id
from taskfactory.registry import (
    ByHand,
    DedupeStore,
    DefinitionRow,
    DefinitionStore,
    NewerRun,
    PastRun,
    UnknownDefinition,
)

RerunResult = Literal["started", "already_started", "would_start", "newer", "not_ended", "gone", "disabled", "refused"]
COULD_NOT: Final[frozenset[RerunResult]] = frozenset({"not_ended", "gone", "disabled", "refused"})
"""Results after which the run has no successor."""


@dataclass(frozen=True, slots=True)
class Rerun:
    """What became of one run that was to be run again."""

    of: PastRun
    result: RerunResult
    run_id: str | None = None
    """The new run, or the newer one that there is already."""
    version: int | None = None
    """That the new run runs in."""
    note: str | None = None
    """Why, for people."""


class Rerunner:
    """Runs ended runs again, one at a time."""

    def __init__(  # noqa: PLR0913 -- the ports
        self,
        present: Mapping[str, DefinitionRow],
        *,
        definitions: DefinitionStore,
        dedupe: DedupeStore,
        client: Client,
        starter: Starter,
        events: Callable[[], PastEvents],
    ) -> None:
        """Wire it.

        Args:
            present: the definitions as they are now, by id.
            definitions: has the versions that ran.
            dedupe: opens generations.
            client: remembers inputs, for a while.
            starter: starts runs.
            events: reads the events of runs that Temporal forgot; asked for only when there is one.
        """
        self._present = present
        self._definitions = definitions
        self._dedupe = dedupe
        self._client = client
        self._starter = starter
        self._events = events

    async def rerun(self, run: PastRun, by: ByHand, *, dry_run: bool) -> Rerun:
        """Start the run again, or say why not.

        Args:
            run: should have ended, however.
            by: kept with the generation.
            dry_run: start nothing and write nothing.

        Raises:
            Unavailable: Temporal took no start for now, and the generation is kept for the next attempt; or the schema
                registry did not answer.
            RPCError: Temporal did not say what the run was started with.
            KafkaException: Kafka did not.
            sqlalchemy.exc.DBAPIError: the registry did not answer.
        """
        definition = self._present.get(run.activity_id)
        if run.state == "running":
            return Rerun(run, "not_ended", note="it is still running; cancel it, or wait for its end")
        if definition is None:
            return Rerun(run, "disabled", note="its definition is deleted; apply it again, then run this again")
        if not definition.enabled:
            return Rerun(run, "disabled", note="its definition is disabled; enable it, then run this again")
        try:
            before = await self._input_of(run)
        except InputGone as gone:
            return Rerun(run, "gone", note=f"Temporal has forgotten the run, and {gone.reason}")
        opened = await asyncio.to_thread(self._dedupe.open_rerun, before, by, dry_run=dry_run)
        if isinstance(opened, NewerRun):
            return Rerun(run, "newer", opened.run_id, note=f"its key has fired again since: that run is {opened.state}")
        again = _in_generation(before, opened.generation, definition)
        return Rerun(run, "would_start", again.run_id, again.version) if dry_run else await self._start(run, again)

    async def _start(self, run: PastRun, again: RunInput) -> Rerun:
        try:
            start = await self._starter.start(again, new_request_id())
        except Refused as refused:
            return Rerun(run, "refused", note=refused.message)
        result: RerunResult = "started" if start is Start.STARTED else "already_started"
        return Rerun(run, result, again.run_id, again.version)

    async def _input_of(self, run: PastRun) -> RunInput:
        remembered = await input_in_temporal(self._client, run.run_id)
        # A later event with the same key may have taken the id since Temporal forgot this run, to end as a duplicate.
        if remembered is not None and is_trigger_of(remembered.trigger, run):
            return remembered
        try:
            version = await asyncio.to_thread(self._definitions.version, run.activity_id, run.version)
        except (UnknownDefinition, InvalidDefinitions) as error:
            raise InputGone(f"its definition's version can't be read: {error}") from error
        return input_in_event(await self._events().event_of(run), run, version)


def _in_generation(before: RunInput, generation: int, definition: DefinitionRow) -> RunInput:
    return before.model_copy(
        update={
            "run_id": run_id_in_generation(before.run_id, before.generation, generation),
            "generation": generation,
            "version": definition.version,
            "activity_name": definition.name,
            "progress": None,
        }
    )
