"""Params: what fits becomes the model, what does not is told field by field."""

from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, ConfigDict, Field

from taskfactory.envelope import ActivityRef, Trigger
from taskfactory.tasks import InvalidParams, TaskInput
from taskfactory.tasks.params import FOUND_MAX_CHARS, parse_params


class Line(BaseModel):
    sku: str
    quantity: int = Field(ge=1)


class Order(BaseModel):
    customer: str
    lines: list[Line]


class StrictMoment(BaseModel):
    model_config = ConfigDict(strict=True)

    at: datetime


def task_input(params: dict[str, object]) -> TaskInput:
    return TaskInput(
        task_id="run/reserve/3",
        name="reserve",
        index=3,
        run_id="run",
        activity=ActivityRef(id="a", name="shop", version=1),
        trigger=Trigger(source="/s", id="1", type="t"),
        params=params,
    )


def test_every_refused_field_is_named_with_what_was_found() -> None:
    with pytest.raises(InvalidParams) as refused:
        parse_params(Order, {"lines": [{"sku": "A", "quantity": 1}, {"sku": 7, "quantity": 0}]})
    assert [problem.field for problem in refused.value.problems] == ["customer", "lines[1].sku", "lines[1].quantity"]
    assert [problem.found for problem in refused.value.problems] == ["nothing", "7", "0"]
    assert "do not fit Order: customer: Field required (found nothing); lines[1].sku: " in refused.value.message


def test_wrong_params_are_not_retried() -> None:
    with pytest.raises(InvalidParams) as refused:
        parse_params(Order, {})
    assert refused.value.non_retryable
    assert refused.value.type == "InvalidParams"


def test_no_part_of_a_long_value_is_in_the_message() -> None:
    with pytest.raises(InvalidParams) as refused:
        parse_params(Line, {"sku": "A", "quantity": "many" * 1000})
    (problem,) = refused.value.problems
    assert problem.found == "4,002 characters of JSON"
    assert "manymany" not in refused.value.message
    assert len(problem.found) <= FOUND_MAX_CHARS


def test_a_strict_model_reads_json_as_json() -> None:
    assert parse_params(StrictMoment, {"at": "2026-11-23T09:00:00Z"}).at == datetime(2026, 11, 23, 9, tzinfo=UTC)


def test_a_workflow_reads_its_params_as_a_model() -> None:
    assert task_input({"sku": "A", "quantity": 2}).params_as(Line) == Line(sku="A", quantity=2)
    with pytest.raises(InvalidParams):
        task_input({}).params_as(Line)


def test_a_step_of_a_workflow_has_an_idempotency_key_of_its_own() -> None:
    step = task_input({"sku": "A"}).step("charge", {"amount": 3})
    assert (step.task_id, step.params, step.run_id) == ("run/reserve/3/charge", {"amount": 3}, "run")


@pytest.mark.parametrize("name", ["", "3", "Charge", "charge/card", "-x"])
def test_a_step_name_that_could_be_another_tasks_id_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="step name"):
        task_input({}).step(name, {})
