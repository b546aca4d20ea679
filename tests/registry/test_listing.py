"""What people are shown: newest first, filtered, and which tasks wait for a worker."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from taskfactory.definitions import PlannedTask, RunInput
from taskfactory.registry import QueueCheck, RunEnd, RunStore, TaskEnd
from tests.registry.samples import one_task, owner, planned_task, run_input


def planned(store: RunStore, activity_id: str, name: str, *event_ids: str, queue: str = "warehouse") -> list[RunInput]:
    runs = [run_input(event_id, activity_id=activity_id, name=name) for event_id in event_ids]

    def render(run: RunInput) -> list[PlannedTask]:
        return [planned_task(run, index=index, queue=queue) for index in (0, 1)]

    for run in runs:
        store.plan([run], owner(), render)
    return runs


def test_runs_are_listed_newest_first_and_filtered(store: RunStore, activity_id: str) -> None:
    name = f"listed-{uuid4()}"
    first, second, third = planned(store, activity_id, name, "e-1", "e-2", "e-3")
    store.finish([], [RunEnd(run_id=second.run_id, status="failed")])
    listed = store.list_runs(definition=name)
    assert [run.run_id for run in listed] == [third.run_id, second.run_id, first.run_id]
    assert [run.event_id for run in store.list_runs(definition=name, limit=1)] == ["e-3"]
    assert [run.run_id for run in store.list_runs(definition=name, state="failed")] == [second.run_id]
    assert [run.run_id for run in store.list_runs(run_id=first.run_id)] == [first.run_id]
    assert store.list_runs(definition=name, state="completed") == []
    assert (listed[0].event_source, listed[0].event_type, listed[0].dedupe_key) == (
        "/shop",
        "order.placed",
        "/shop e-3",
    )


def test_a_failed_run_is_listed_with_its_reason(store: RunStore, activity_id: str) -> None:
    run = run_input(activity_id=activity_id)
    store.plan([run], owner(), one_task)
    store.finish(
        [TaskEnd(run_id=run.run_id, task_id=planned_task(run).task_id, status="expired")], [RunEnd(run_id=run.run_id)]
    )
    (listed,) = store.list_runs(run_id=run.run_id)
    assert listed.error is not None
    assert (listed.state, listed.error.message) == ("failed", "task reserve expired")


def test_tasks_are_listed_by_run_in_the_order_of_their_plan(store: RunStore, activity_id: str) -> None:
    name = f"listed-{uuid4()}"
    first, second = planned(store, activity_id, name, "e-1", "e-2")
    listed = store.list_tasks(definition=name)
    assert [(task.run_id, task.index) for task in listed] == [
        (second.run_id, 0),
        (second.run_id, 1),
        (first.run_id, 0),
        (first.run_id, 1),
    ]
    assert len(store.list_tasks(run_id=first.run_id, limit=1)) == 1


def test_open_tasks_of_a_queue_that_nobody_polls_are_shown_as_waiting(store: RunStore, activity_id: str) -> None:
    queue, name = f"queue-{uuid4()}", f"listed-{uuid4()}"
    (run,) = planned(store, activity_id, name, "e-1", queue=queue)
    store.finish([TaskEnd(run_id=run.run_id, task_id=planned_task(run, index=0).task_id, status="completed")])

    def shown() -> list[str]:
        return [task.state for task in store.list_tasks(definition=name)]

    assert shown() == ["completed", "scheduled"]
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert [(open_.kind, open_.open_tasks) for open_ in store.open_queues(later) if open_.queue == queue] == [
        ("activity", 1)
    ]
    assert queue not in {open_.queue for open_ in store.open_queues(later - timedelta(hours=1))}

    (waiting,) = store.mark_queues([QueueCheck(queue, "activity", polled=False)])
    assert shown() == ["completed", "waiting_for_worker"]
    assert [task.index for task in store.list_tasks(definition=name, state="waiting_for_worker")] == [1]
    assert store.list_tasks(definition=name, state="scheduled") == []

    (still,) = store.mark_queues([QueueCheck(queue, "activity", polled=False)])
    assert still.waiting_since == waiting.waiting_since is not None

    (polled,) = store.mark_queues([QueueCheck(queue, "activity", polled=True)])
    assert polled.waiting_since is None
    assert shown() == ["completed", "scheduled"]
    assert [task.index for task in store.list_tasks(definition=name, state="scheduled")] == [1]


def test_a_queue_that_has_no_open_tasks_any_more_waits_no_longer(store: RunStore, activity_id: str) -> None:
    queue, name = f"queue-{uuid4()}", f"listed-{uuid4()}"
    (run,) = planned(store, activity_id, name, "e-1", queue=queue)
    other = QueueCheck(f"{queue}-other", "activity", polled=False)
    same_name = QueueCheck(queue, "workflow", polled=False)
    store.mark_queues([QueueCheck(queue, "activity", polled=False), other, same_name])
    store.finish([], [RunEnd(run_id=run.run_id, status="cancelled")])
    still_waiting = store.mark_queues([other, same_name])
    assert all(state.waiting_since is not None for state in still_waiting)
    planned(store, activity_id, name, "e-2", queue=queue)
    assert [task.state for task in store.list_tasks(definition=name)][:2] == ["scheduled", "scheduled"]


def test_with_no_open_tasks_at_all_no_queue_waits(store: RunStore, activity_id: str) -> None:
    queue, name = f"queue-{uuid4()}", f"listed-{uuid4()}"
    store.mark_queues([QueueCheck(queue, "activity", polled=False)])
    assert store.mark_queues([]) == []
    planned(store, activity_id, name, "e-1", queue=queue)
    assert [task.state for task in store.list_tasks(definition=name)] == ["scheduled", "scheduled"]


def test_params_and_results_are_listed_on_request(store: RunStore, activity_id: str) -> None:
    run = run_input(activity_id=activity_id)
    store.plan([run], owner(), one_task)
    result = {"big": 2**80, "text": "a\x00b"}
    store.finish([TaskEnd(run_id=run.run_id, task_id=planned_task(run).task_id, status="completed", result=result)])
    (bare,), (full,) = store.list_tasks(run_id=run.run_id), store.list_tasks(run_id=run.run_id, with_data=True)
    assert (bare.params, bare.result) == (None, None)
    assert (full.params, full.result) == ({"sku": "A-1"}, result)
    assert full.model_copy(update={"params": None, "result": None}) == bare
    assert store.list_tasks(run_id=run.run_id, state="completed", with_data=True) == [full]


def test_a_queue_of_the_other_kind_says_nothing_about_these_tasks(store: RunStore, activity_id: str) -> None:
    queue, name = f"queue-{uuid4()}", f"listed-{uuid4()}"
    planned(store, activity_id, name, "e-1", queue=queue)
    store.mark_queues([QueueCheck(queue, "workflow", polled=False)])
    assert [task.state for task in store.list_tasks(definition=name)] == ["scheduled", "scheduled"]
