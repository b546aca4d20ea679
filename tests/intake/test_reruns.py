"""Runs that are not run again say why, and nothing is written for them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.client import Client

from taskfactory.definitions import RunInput
from taskfactory.intake import Rerunner
from taskfactory.intake.past_inputs import input_in_temporal
from taskfactory.intake.starter import Refused
from taskfactory.registry import ByHand, DedupeStore, DefinitionRow, DefinitionStore, migrate, open_engine
from tests.conftest import RunningStack
from tests.ingress.fakes import FakeStarter, run_input, unavailable
from tests.intake.test_past_inputs import past

ACTIVITY = "0b7c2f0e-9a34-4b53-8c2e-111111111111"
AT = datetime(2026, 1, 1, tzinfo=UTC)
ROW = DefinitionRow(
    name="order-fulfilment",
    id=ACTIVITY,
    version=7,
    state="enabled",
    enabled=True,
    paused=False,
    shadow_version=None,
    trigger_type="event",
    dedupe_key_strategy="event_id",
    description=None,
    created_at=AT,
    created_by="me",
    updated_at=AT,
    updated_by="me",
    reason=None,
    etag="7-7",
)
ME = ByHand("me")


def no_events() -> Any:
    raise AssertionError("Temporal remembers the run")


class Setting:
    """A rerunner on a registry of its own, and one failed run that Temporal remembers."""

    def __init__(self, dedupe: DedupeStore, definitions: DefinitionStore, client: Client, run: RunInput) -> None:
        self.starter = FakeStarter()
        self.dedupe = dedupe
        self.run = run
        self._definitions = definitions
        self._client = client

    def rerunner(self, row: DefinitionRow = ROW) -> Rerunner:
        return Rerunner(
            {ACTIVITY: row},
            definitions=self._definitions,
            dedupe=self.dedupe,
            client=self._client,
            starter=self.starter,
            events=no_events,
        )


@pytest.fixture
async def setting(stack: RunningStack, temporal: Client) -> AsyncIterator[Setting]:
    engine = open_engine(stack.database())
    migrate(engine)
    run = run_input(activity_id=ACTIVITY, run_id=stack.name("activity-0b7c"))
    await temporal.start_workflow("RunActivityWorkflow", run, id=run.run_id, task_queue=stack.name("nobody"))
    yield Setting(DedupeStore(engine), DefinitionStore(engine), temporal, run)
    engine.dispose()


async def test_a_rerun_is_the_same_event_in_the_present_version_and_a_generation_of_its_own(setting: Setting) -> None:
    done = await setting.rerunner().rerun(past(setting.run), ME, dry_run=False)
    assert (done.result, done.run_id, done.version) == ("started", f"{setting.run.run_id}-g2", 7)
    again = setting.starter.runs[f"{setting.run.run_id}-g2"]
    assert again == setting.run.model_copy(update={"run_id": again.run_id, "generation": 2, "version": 7})
    once_more = await setting.rerunner().rerun(past(setting.run), ME, dry_run=False)
    assert (once_more.result, once_more.run_id) == ("already_started", again.run_id)
    assert len(setting.starter.runs) == 1


async def test_what_is_running_or_disabled_is_left_alone(setting: Setting) -> None:
    rerunner = setting.rerunner(replace(ROW, enabled=False))
    running = await rerunner.rerun(past(setting.run, state="running"), ME, dry_run=False)
    assert (running.result, running.note) == ("not_ended", "it is still running; cancel it, or wait for its end")
    disabled = await rerunner.rerun(past(setting.run), ME, dry_run=False)
    assert disabled.result == "disabled"
    assert setting.starter.attempts == []


async def test_a_run_that_completed_is_run_again_for_whoever_asks_for_it(setting: Setting) -> None:
    done = await setting.rerunner().rerun(past(setting.run, state="completed"), ME, dry_run=False)
    assert (done.result, done.run_id) == ("started", f"{setting.run.run_id}-g2")


async def test_a_dry_run_starts_nothing_and_opens_nothing(setting: Setting) -> None:
    done = await setting.rerunner().rerun(past(setting.run), ME, dry_run=True)
    assert (done.result, done.run_id) == ("would_start", f"{setting.run.run_id}-g2")
    assert setting.starter.attempts == []


async def test_a_start_that_failed_for_now_is_repeated_under_the_same_id(setting: Setting) -> None:
    setting.starter.fail_with(unavailable())
    with pytest.raises(type(unavailable())):
        await setting.rerunner().rerun(past(setting.run), ME, dry_run=False)
    done = await setting.rerunner().rerun(past(setting.run), ME, dry_run=False)
    assert (done.result, done.run_id) == ("started", f"{setting.run.run_id}-g2")


async def test_a_start_that_temporal_never_takes_is_told(setting: Setting) -> None:
    setting.starter.fail_with(Refused("run_input_too_large", "5 bytes too many"))
    done = await setting.rerunner().rerun(past(setting.run), ME, dry_run=False)
    assert (done.result, done.note) == ("refused", "5 bytes too many")


async def test_an_input_in_a_form_that_is_not_read_here_counts_as_forgotten(
    temporal: Client, stack: RunningStack
) -> None:
    workflow_id = stack.name("activity-0b7c")
    await temporal.start_workflow("RunActivityWorkflow", {"of": "later"}, id=workflow_id, task_queue="nobody")
    assert await input_in_temporal(temporal, workflow_id) is None
    assert await input_in_temporal(temporal, stack.name("never-there")) is None
