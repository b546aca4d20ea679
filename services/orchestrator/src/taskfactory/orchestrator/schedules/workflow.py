"""One tick: decided about, waited for if it must, and its run started.

Effects are in `activities.py`; what becomes of the tick is decided by `taskfactory.definitions.tick_decision` and kept
in the registry. Invariants:

- Whatever happens to this workflow, the tick is one row and one run: both ids follow from the nominal time.
- A tick that waits costs no history: its activity fails and is tried again until the tick's turn has come.
"""

from datetime import datetime, timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from taskfactory.definitions import TICK_WORKFLOW, TickRequest
    from taskfactory.orchestrator.schedules.activities import TickActivities, TickAnswer, TickQuestion

NOMINAL: Final = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
"""Where Temporal says for which time a schedule started a workflow, jitter not included."""

_DECIDE_TIMEOUT: Final = timedelta(seconds=60)
_RETRY: Final = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=15))


@workflow.defn(name=TICK_WORKFLOW)
class ScheduledTickWorkflow:
    """Carries one tick of a schedule, a backfill or a trigger."""

    @workflow.run
    async def run(self, request: TickRequest) -> TickAnswer:
        """Decide, wait, start."""
        info = workflow.info()
        nominal: datetime | None = info.typed_search_attributes.get(NOMINAL)
        question = TickQuestion(
            request=request if request.kind != "scheduled" else request.model_copy(update={"scheduled_for": nominal}),
            owner=info.first_execution_run_id,
            workflow_id=info.workflow_id,
        )
        answer = await workflow.execute_local_activity_method(
            TickActivities.decide_tick, question, start_to_close_timeout=_DECIDE_TIMEOUT, retry_policy=_RETRY
        )
        if answer.decision != "waiting":
            return answer
        return await workflow.execute_activity_method(
            TickActivities.await_turn,
            question,
            start_to_close_timeout=_DECIDE_TIMEOUT,
            retry_policy=_RETRY,
            summary="wait for the runs before it",
        )
