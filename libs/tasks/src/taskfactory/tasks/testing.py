"""For the unit tests of handlers: they are plain functions, and this is a context to call them with.

def test_reserves_once() -> None:
    ctx = FakeTaskContext(task_id="run-1/reserve/0", attempt=2)
    assert reserve_stock(ReserveParams(sku="A-1"), ctx).reserved
    assert ctx.heartbeats == [{"done": 1}]
"""

from typing import Any

from taskfactory.envelope import ActivityRef, Trigger
from taskfactory.tasks.context import TaskContext
from taskfactory.tasks.task_input import TaskInput


class FakeTaskContext(TaskContext):
    """A context without a server: records heartbeats, and is cancelled when the test says so."""

    def __init__(  # noqa: PLR0913 -- all have defaults, and a test names the one it is about
        self,
        *,
        task_id: str = "activity-test/task",
        name: str = "task",
        index: int | None = None,
        run_id: str = "activity-test",
        activity: ActivityRef | None = None,
        trigger: Trigger | None = None,
        attempt: int = 1,
        last_heartbeat: Any = None,
    ) -> None:
        task = TaskInput(
            task_id=task_id,
            name=name,
            index=index,
            run_id=run_id,
            activity=activity or ActivityRef(id="00000000-0000-0000-0000-000000000000", name="test", version=1),
            trigger=trigger or Trigger(source="/test", id="1", type="test.event"),
            params={},
        )
        super().__init__(task, attempt=attempt, last_heartbeat=last_heartbeat)
        self.heartbeats: list[Any] = []
        """Details of every heartbeat, in order."""
        self._cancelled = False

    def heartbeat(self, details: Any = None) -> None:
        """Record the heartbeat."""
        self.heartbeats.append(details)

    def cancel(self) -> None:
        """From now on `is_cancelled()` is true."""
        self._cancelled = True

    def is_cancelled(self) -> bool:
        """Whether the test cancelled the task."""
        return self._cancelled
