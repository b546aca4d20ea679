"""What every starter promises, asked of the fake that the unit tests use and of the real one."""

import pytest
from pydantic import SecretStr
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from taskfactory.definitions import RunInput
from taskfactory.intake import PAYLOAD_STORAGE, Unavailable
from taskfactory.intake.starter import (
    Refused,
    Start,
    Starter,
    TemporalStarter,
    new_request_id,
)
from taskfactory.intake.visibility import details_of, search_attributes, summary_of
from taskfactory.runtime import TemporalSettings, connect
from tests.conftest import RunningStack
from tests.ingress.fakes import FakeStarter, run_input
from tests.ingress.gate import Gate

LIMIT = 50_000


@workflow.defn(name="RunActivityWorkflow")
class Instant:
    """A run that has nothing to do."""

    @workflow.run
    async def run(self, run: RunInput) -> None:
        pass


class StarterContract:
    @pytest.fixture
    def starter(self) -> Starter:
        raise NotImplementedError

    @pytest.fixture
    def run(self) -> RunInput:
        return run_input()

    async def test_the_first_start_is_new_and_every_later_one_a_duplicate(
        self, starter: Starter, run: RunInput
    ) -> None:
        assert await starter.start(run, new_request_id()) is Start.STARTED
        assert await starter.start(run, new_request_id()) is Start.ALREADY_STARTED
        assert await starter.start(run, new_request_id()) is Start.ALREADY_STARTED

    async def test_an_attempt_that_is_repeated_is_no_duplicate(self, starter: Starter, run: RunInput) -> None:
        request_id = new_request_id()
        assert await starter.start(run, request_id) is Start.STARTED
        assert await starter.start(run, request_id) is Start.STARTED

    async def test_an_input_over_the_limit_is_refused_and_the_next_one_taken(
        self, starter: Starter, run: RunInput
    ) -> None:
        large = run.model_copy(update={"event": {**run.event, "data": "x" * LIMIT}})
        with pytest.raises(Refused) as refused:
            await starter.start(large, new_request_id())
        assert refused.value.reason == "run_input_too_large"
        assert await starter.start(run, new_request_id()) is Start.STARTED


class TestFakeStarter(StarterContract):
    @pytest.fixture
    def starter(self) -> Starter:
        return FakeStarter(max_input_bytes=LIMIT)


class TestTemporalStarter(StarterContract):
    @pytest.fixture
    def starter(self, temporal: Client, stack: RunningStack) -> Starter:
        return TemporalStarter(temporal, stack.name("queue"), eager=False, max_input_bytes=LIMIT)

    @pytest.fixture
    def run(self, stack: RunningStack) -> RunInput:
        return run_input(run_id=stack.name("activity-0b8f"))

    async def test_a_run_that_has_ended_is_a_duplicate_too(
        self, starter: Starter, run: RunInput, temporal: Client
    ) -> None:
        await starter.start(run, new_request_id())
        await temporal.get_workflow_handle(run.run_id).terminate()
        assert await starter.start(run, new_request_id()) is Start.ALREADY_STARTED

    async def test_temporal_keeps_what_makes_a_run_findable(
        self, starter: Starter, run: RunInput, temporal: Client
    ) -> None:
        awkward = run.model_copy(
            update={
                "trigger": run.trigger.model_copy(update={"id": "a/b\0" + "ü" * 5000}),
                "dedupe_parts": ["/shop", "a/b\0" + "ü" * 5000],
            }
        )
        await starter.start(awkward, new_request_id())
        found = await temporal.get_workflow_handle(run.run_id).describe()
        assert found.status is WorkflowExecutionStatus.RUNNING
        assert found.workflow_type == "RunActivityWorkflow"
        kept = found.typed_search_attributes
        assert {pair.key.name: pair.value for pair in kept}.items() >= {
            pair.key.name: pair.value for pair in search_attributes(awkward)
        }.items()
        assert await found.static_summary() == summary_of(awkward)
        assert await found.static_details() == details_of(awkward)

    async def test_the_input_arrives_as_it_was_given(self, starter: Starter, run: RunInput, temporal: Client) -> None:
        await starter.start(run, new_request_id())
        history = await temporal.get_workflow_handle(run.run_id).fetch_history()
        payloads = history.events[0].workflow_execution_started_event_attributes.input.payloads
        assert await temporal.data_converter.decode(payloads, [RunInput]) == [run]

    async def test_a_worker_in_the_same_process_gets_the_first_task_with_the_answer(
        self, run: RunInput, temporal: Client, stack: RunningStack
    ) -> None:
        queue = stack.name("queue")
        starter = TemporalStarter(temporal, queue, eager=True, max_input_bytes=LIMIT)
        async with Worker(temporal, task_queue=queue, workflows=[Instant], workflow_runner=UnsandboxedWorkflowRunner()):
            await starter.start(run, new_request_id())
            handle = temporal.get_workflow_handle(run.run_id)
            await handle.result()
        history = await handle.fetch_history()
        assert history.events[0].workflow_execution_started_event_attributes.eager_execution_accepted
        assert EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT not in {happened.event_type for happened in history.events}

    async def test_an_id_that_temporal_does_not_take_is_refused(self, starter: Starter, run: RunInput) -> None:
        with pytest.raises(Refused) as refused:
            await starter.start(run.model_copy(update={"run_id": "x" * 1001}), new_request_id())
        assert refused.value.reason == "refused_by_temporal"

    async def test_a_namespace_that_is_not_there_is_waited_for(self, run: RunInput, stack: RunningStack) -> None:
        nowhere = TemporalSettings(temporal_address=stack.endpoints.temporal_address, temporal_namespace="nowhere")
        starter = TemporalStarter(await connect(nowhere), "queue", eager=False, max_input_bytes=LIMIT)
        with pytest.raises(Unavailable) as away:
            await starter.start(run, new_request_id())
        assert away.value.error == "NOT_FOUND"

    async def test_search_attributes_that_nobody_registered_yet_are_waited_for(
        self, run: RunInput, stack: RunningStack
    ) -> None:
        bare = TemporalSettings(temporal_address=stack.endpoints.temporal_address, temporal_namespace="temporal-system")
        starter = TemporalStarter(await connect(bare), "queue", eager=False, max_input_bytes=LIMIT)
        with pytest.raises(Unavailable) as away:
            await starter.start(run, new_request_id())
        assert away.value.error == "INVALID_ARGUMENT"

    async def test_a_payload_storage_that_is_away_is_waited_for_by_large_inputs_alone(
        self, run: RunInput, stack: RunningStack
    ) -> None:
        client = await connect(
            TemporalSettings(
                temporal_address=stack.endpoints.temporal_address,
                payload_storage=SecretStr("postgresql://127.0.0.1:1/nowhere"),
                payload_threshold_bytes=20_000,
            )
        )
        starter = TemporalStarter(client, stack.name("queue"), eager=False, max_input_bytes=LIMIT)
        large = run.model_copy(update={"event": {**run.event, "data": "x" * 30_000}})
        with pytest.raises(Unavailable) as away:
            await starter.start(large, new_request_id())
        assert away.value.error == PAYLOAD_STORAGE
        assert await starter.start(run, new_request_id()) is Start.STARTED

    async def test_a_server_that_is_away_is_waited_for(self, run: RunInput, stack: RunningStack) -> None:
        async with Gate(stack.endpoints.temporal_address) as gate:
            client = await connect(TemporalSettings(temporal_address=gate.address))
            starter = TemporalStarter(client, stack.name("queue"), eager=False, max_input_bytes=LIMIT)
            gate.shut()
            with pytest.raises(Unavailable) as away:
                await starter.start(run, new_request_id())
            assert away.value.error in {"UNAVAILABLE", "UNKNOWN", "CANCELLED"}
