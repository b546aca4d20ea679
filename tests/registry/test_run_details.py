"""One run in full, and what was run again as what."""

from sqlalchemy import Engine

from taskfactory.definitions import ContextValue, RenderedRun
from taskfactory.envelope import Failure
from taskfactory.registry import ByHand, DedupeStore, RerunOpened, RunEnd, RunFilter, RunReader, RunStore, TaskFilter
from taskfactory.registry.run_model import TaskEnd
from tests.registry.samples import one_task, owner, planned_task, run_input


def test_a_run_is_told_with_its_record_and_the_number_of_its_tasks(
    store: RunStore, reader: RunReader, activity_id: str
) -> None:
    run = run_input(activity_id=activity_id)
    store.plan([run], owner(), one_task)
    found = reader.run(run.run_id)
    assert found is not None
    assert (found.activity_id, found.trigger.topic, found.trigger.offset) == (activity_id, "orders", 7)
    assert (found.state, found.task_counts, found.rerun_of, found.rerun_as) == ("running", None, None, None)
    store.finish(
        [TaskEnd(run_id=run.run_id, task_id=planned_task(run).task_id, status="completed", result={"ok": True})],
        [RunEnd(run_id=run.run_id)],
    )
    ended = reader.run(run.run_id)
    assert ended is not None
    assert (ended.state, ended.task_counts) == ("completed", {"completed": 1})


def test_a_run_that_was_run_again_and_the_one_that_repeats_it_name_each_other(
    store: RunStore, reader: RunReader, activity_id: str, engine: Engine
) -> None:
    failed = run_input(activity_id=activity_id)
    store.plan([failed], owner(), one_task)
    store.finish([], [RunEnd(run_id=failed.run_id, status="failed")])
    opened = DedupeStore(engine).open_rerun(failed, ByHand("me", "the flood"))
    assert isinstance(opened, RerunOpened)
    again = failed.model_copy(update={"run_id": f"{failed.run_id}-g2", "generation": opened.generation})
    store.plan([again], owner(), one_task)
    before, after = reader.run(failed.run_id), reader.run(again.run_id)
    assert before is not None
    assert before.rerun_as is not None
    assert after is not None
    assert after.rerun_of is not None
    assert (before.rerun_as.run_id, before.rerun_as.by, before.rerun_as.reason) == (again.run_id, "me", "the flood")
    assert (after.rerun_of.run_id, after.rerun_as, before.rerun_of) == (failed.run_id, None, None)


def test_a_task_is_told_with_params_and_result(store: RunStore, reader: RunReader, activity_id: str) -> None:
    run = run_input(activity_id=activity_id)
    store.plan([run], owner(), one_task)
    task_id = planned_task(run).task_id
    store.finish([TaskEnd(run_id=run.run_id, task_id=task_id, status="completed", result={"big": 2**80})])
    found = reader.task(task_id)
    assert found is not None
    assert (found.state, found.params, found.result) == ("completed", {"sku": "A-1"}, {"big": 2**80})


def test_what_is_not_there_is_not_found(reader: RunReader) -> None:
    assert reader.run("activity-never") is None
    assert reader.task("activity-never/reserve") is None


def test_secrets_of_the_context_are_in_nothing_that_is_shown(
    store: RunStore, reader: RunReader, activity_id: str
) -> None:
    run = run_input(activity_id=activity_id)
    context = ContextValue(name="crm", position=0, type="static", secret=("token",), value={"token": "open-sesame"})
    tasks = [planned_task(run, params={"header": "Bearer open-sesame"})]
    store.plan([run], owner(), lambda _: RenderedRun(tasks, [context]))
    failed = Failure(type="refused", message="open-sesame was refused")
    finished = store.finish(
        [TaskEnd(run_id=run.run_id, task_id=tasks[0].task_id, status="failed", error=failed)],
        [RunEnd(run_id=run.run_id, status="failed", error=failed)],
    )
    shown = [
        finished,
        store.ended([run.run_id]),
        reader.run(run.run_id),
        reader.task(tasks[0].task_id),
        *reader.runs(RunFilter(event_source="/shop", event_id="e-1", state="failed"), limit=500),
        *reader.tasks(TaskFilter(run_id=run.run_id), limit=50),
    ]
    assert "open-sesame" not in str(shown)
    told = Failure(type="refused", message="******** was refused")
    assert (finished.tasks[0].error, finished.runs[0].error) == (told, told)
    task = reader.task(tasks[0].task_id)
    assert task is not None
    assert task.params == {"header": "Bearer ********"}
