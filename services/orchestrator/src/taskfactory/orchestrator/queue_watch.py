"""Which task queues have workers: an open task on a queue that nobody polls must be seen, not guessed at.

Temporal lists a queue's pollers, each with the time of its last poll, and forgets one only minutes after it is gone. A
long poll lasts a minute at most, so a poller not seen for longer than `POLLER_LIFETIME` counts as gone.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.orchestrator import metrics
from taskfactory.registry import OpenQueue, QueueCheck

POLLER_LIFETIME: Final = timedelta(seconds=75)
_TYPES: Final[dict[str, TaskQueueType.ValueType]] = {
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
}

log = structlog.get_logger("taskfactory.orchestrator")


def is_polled(last_polls: Iterable[datetime], now: datetime) -> bool:
    """Whether any poller was there recently enough to be alive."""
    return any(now - last_poll < POLLER_LIFETIME for last_poll in last_polls)


class QueueWatch:
    """Compares the queues of open tasks with Temporal's pollers; says which of them wait for a worker."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: set[tuple[str, str]] = set()

    async def look(self, queues: Sequence[OpenQueue], now: datetime) -> list[QueueCheck]:
        """Ask Temporal about the pollers of each queue; log and count what changed.

        A queue that Temporal refuses to describe counts as not polled.

        Args:
            queues: queues that have open tasks.
            now: the time against which the last polls are judged.

        Raises:
            RPCError: Temporal did not answer.
        """
        checks = [await self._look_at(queue, now) for queue in queues]
        self._report(queues, checks)
        return checks

    async def _look_at(self, queue: OpenQueue, now: datetime) -> QueueCheck:
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=TaskQueue(name=queue.queue),
            task_queue_type=_TYPES[queue.kind],
        )
        try:
            answer = await self._client.workflow_service.describe_task_queue(request)
        except RPCError as error:
            if error.status != RPCStatusCode.INVALID_ARGUMENT:
                raise
            return QueueCheck(queue=queue.queue, kind=queue.kind, polled=False)
        polled = is_polled((_last_poll(poller) for poller in answer.pollers), now)
        return QueueCheck(queue=queue.queue, kind=queue.kind, polled=polled)

    def _report(self, queues: Sequence[OpenQueue], checks: Sequence[QueueCheck]) -> None:
        metrics.TASKS_WAITING.clear()
        waiting: set[tuple[str, str]] = set()
        for queue, check in zip(queues, checks, strict=True):
            if check.polled:
                continue
            key = (queue.queue, queue.kind)
            waiting.add(key)
            metrics.TASKS_WAITING.labels(*key).set(queue.open_tasks)
            if key not in self._waiting:
                log.warning(
                    "waiting_for_worker",
                    queue=queue.queue,
                    kind=queue.kind,
                    open_tasks=queue.open_tasks,
                    hint=f"start one: taskfactory worker --module … --queue {queue.queue}",
                )
        for queue_name, kind in self._waiting - waiting:
            log.info("worker_appeared", queue=queue_name, kind=kind)
        self._waiting = waiting


def _last_poll(poller: PollerInfo) -> datetime:
    return poller.last_access_time.ToDatetime(tzinfo=UTC)
