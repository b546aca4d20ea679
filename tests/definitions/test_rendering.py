"""From a definition and an event to the tasks of a run."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskfactory.definitions import PlannedRetry, PlannedTask, RenderFailed, RunLimits, render_tasks
from tests.definitions.samples import EVENT, activity, definition

LIMITS = RunLimits()


def render(event: dict[str, Any] = EVENT, limits: RunLimits = LIMITS, **fields: Any) -> list[PlannedTask]:
    return render_tasks(definition(**fields), event, run_id="run-1", limits=limits)


def failure(event: dict[str, Any] = EVENT, limits: RunLimits = LIMITS, **fields: Any) -> RenderFailed:
    with pytest.raises(RenderFailed) as caught:
        render(event, limits, **fields)
    return caught.value


def test_a_task_without_foreach_is_planned_once_with_the_defaults() -> None:
    assert render(tasks=[activity(params={"order": "${event.data.order_id}", "fixed": [1, None]})]) == [
        PlannedTask(
            task_id="run-1/reserve",
            name="reserve",
            index=None,
            type="activity",
            handler="reserve_stock",
            queue="warehouse",
            params={"order": "7", "fixed": [1, None]},
            timeout=300.0,
            schedule_to_close=86_400.0,
            heartbeat=None,
            retry=PlannedRetry(max_attempts=None, initial_interval=1.0, backoff=2.0, max_interval=60.0),
            skipped=False,
        )
    ]


def test_times_and_retries_come_from_the_template() -> None:
    retry = {"max_attempts": 5, "initial_interval": "500ms", "backoff": 1.5, "max_interval": "2m"}
    [task] = render(tasks=[activity(timeout="30s", schedule_to_close="1h", heartbeat="10s", retry=retry)])
    assert (task.timeout, task.schedule_to_close, task.heartbeat) == (30.0, 3600.0, 10.0)
    assert task.retry == PlannedRetry(max_attempts=5, initial_interval=0.5, backoff=1.5, max_interval=120.0)


def test_a_workflow_task_has_one_time_limit_and_is_not_repeated_unasked() -> None:
    [task] = render(tasks=[{"name": "ship", "type": "workflow", "workflow": "ShipOrder", "queue": "shipping"}])
    assert (task.type, task.handler) == ("workflow", "ShipOrder")
    assert (task.timeout, task.schedule_to_close, task.heartbeat) == (86_400.0, None, None)
    assert task.retry.max_attempts == 1


def test_foreach_plans_one_task_for_each_element_in_order() -> None:
    template = activity(foreach="event.data.items", params={"sku": "${item.sku}", "line": "${event.id}/${index}"})
    tasks = render(tasks=[template])
    assert [(task.task_id, task.index) for task in tasks] == [("run-1/reserve/0", 0), ("run-1/reserve/1", 1)]
    assert [task.params for task in tasks] == [{"sku": "A", "line": "evt-1/0"}, {"sku": "B", "line": "evt-1/1"}]


def test_foreach_over_nothing_plans_nothing() -> None:
    assert render(tasks=[activity(foreach="[]")]) == []


def test_a_task_whose_when_is_false_is_skipped_and_its_params_are_not_evaluated() -> None:
    [task] = render(tasks=[activity(when="event.data.total > 1000", params={"x": "${event.missing}"})])
    assert task.skipped
    assert task.params == {}


def test_when_is_asked_for_each_element() -> None:
    tasks = render(tasks=[activity(foreach="event.data.items", when="item.quantity > 1 && index == 0")])
    assert [task.skipped for task in tasks] == [False, True]


def test_context_values_build_on_one_another_and_keep_their_types() -> None:
    tasks = render(
        context=[
            {"name": "customer", "type": "event", "expression": "event.data.customer"},
            {
                "name": "mail",
                "type": "static",
                "value": {"hello": "Dear ${context.customer.name}", "vip": "${context.customer.vip}"},
            },
        ],
        tasks=[activity(when="context.mail.vip", params={"mail": "${context.mail}"})],
    )
    assert [task.params for task in tasks] == [{"mail": {"hello": "Dear Ada", "vip": True}}]


@pytest.mark.parametrize(
    ("fields", "code", "path", "sentence"),
    [
        (
            {"tasks": [activity(), activity("b", params={"lines": [{"sku": "${event.data.sku}"}]})]},
            "cel_error",
            "tasks[1].params.lines[0].sku",
            'Key not found in map : "sku"',
        ),
        ({"tasks": [activity(when="event.nope")]}, "cel_error", "tasks[0].when", 'Key not found in map : "nope"'),
        (
            {"tasks": [activity(when="event.data.total")]},
            "template_error",
            "tasks[0].when",
            "`when` must give true or false; it gave 150",
        ),
        (
            {"tasks": [activity(foreach="event.data.order_id")]},
            "template_error",
            "tasks[0].foreach",
            "`foreach` must give a list; it gave '7'",
        ),
        (
            {"tasks": [activity(params={"to": "order ${event.data.customer}"})]},
            "template_error",
            "tasks[0].params.to",
            "${event.data.customer} is a map; inside a longer text only text, numbers and booleans are allowed",
        ),
        (
            {"context": [{"name": "a", "type": "event", "expression": "event.data.total / 0"}]},
            "cel_error",
            "context[0].expression",
            "divide by zero",
        ),
        (
            {"context": [{"name": "a", "type": "static", "value": ["${event.nope}"]}]},
            "cel_error",
            "context[0].value[0]",
            'Key not found in map : "nope"',
        ),
    ],
)
def test_a_failure_names_its_template(fields: dict[str, Any], code: str, path: str, sentence: str) -> None:
    error = failure(**fields)
    assert (error.code, error.path, error.message) == (code, path, sentence)


def test_a_run_cannot_have_more_tasks_than_the_limit() -> None:
    tasks = [activity(), activity("each", foreach="event.data.items")]
    assert len(render(limits=RunLimits(tasks=3), tasks=tasks)) == 3
    error = failure(limits=RunLimits(tasks=2), tasks=tasks)
    assert (error.code, error.path) == ("too_many_tasks", "tasks[1]")
    assert error.message == (
        "found 3 tasks up to here; allowed are at most 2 in one run (TASKFACTORY_MAX_TASKS_PER_RUN)"
    )


def test_one_foreach_cannot_give_more_elements_than_the_limit() -> None:
    tasks = [activity("each", foreach="event.data.items")]
    assert len(render(limits=RunLimits(elements=2), tasks=tasks)) == 2
    error = failure(limits=RunLimits(elements=1), tasks=tasks)
    assert (error.code, error.path) == ("too_many_tasks", "tasks[0].foreach")
    assert error.message == "found a list of 2; allowed are at most 1 (TASKFACTORY_MAX_FOREACH_ELEMENTS)"


def test_what_does_not_depend_on_the_element_is_not_evaluated_against_a_converted_event_again() -> None:
    event = {**EVENT, "data": {"order_id": "7", "items": list(range(500)), "ballast": [{"text": "x" * 100}] * 5_000}}
    template = activity(foreach="event.data.items", params={"order": "${event.data.order_id}", "n": "${item + index}"})
    assert [task.params["n"] for task in render(event, tasks=[template])] == list(range(0, 1000, 2))


TEXT = st.text(st.characters(max_codepoint=0xFFFF))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(JSON, max_size=4))
@settings(max_examples=50)
def test_planning_again_gives_the_same_plan_to_the_byte(items: list[Any]) -> None:
    event = {**EVENT, "data": {"items": items}}
    template = activity(
        foreach="event.data.items",
        when="index != 1",
        params={"item": "${item}", "all": "${event.data}", "text": "#${index}"},
    )
    first, second = (render(event, tasks=[template]) for _ in range(2))
    assert first == second
    assert [str(task) for task in first] == [str(task) for task in second]
    assert [task.params.get("item") for task in first if not task.skipped] == [v for n, v in enumerate(items) if n != 1]
