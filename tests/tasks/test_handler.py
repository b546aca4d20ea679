"""The decorator: what it accepts, what it refuses, and that functions stay functions."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from taskfactory.tasks import InvalidHandler, TaskContext, task
from taskfactory.tasks.handler import TaskHandler, handler_of
from taskfactory.tasks.testing import FakeTaskContext


class Params(BaseModel):
    sku: str


def described(function: object) -> TaskHandler:
    handler = handler_of(function)
    assert handler is not None
    return handler


def test_a_handler_is_named_by_the_decorator_or_by_its_function() -> None:
    @task("reserve_stock")
    def first(params: Params) -> None: ...

    @task
    def second(params: Params) -> None: ...

    @task()
    def third(params: Params) -> None: ...

    assert [described(function).name for function in (first, second, third)] == ["reserve_stock", "second", "third"]


def test_a_handler_stays_callable_as_it_was_written() -> None:
    @task
    def double(params: dict[str, int], ctx: TaskContext) -> dict[str, int]:
        ctx.heartbeat("half")
        return {"doubled": params["number"] * 2}

    ctx = FakeTaskContext(task_id="run/double")
    assert double({"number": 4}, ctx) == {"doubled": 8}
    assert ctx.heartbeats == ["half"]


def test_params_are_a_model_or_a_dict_and_the_context_may_be_left_out() -> None:
    @task
    def with_model(params: Params, ctx: TaskContext) -> None: ...

    @task
    async def with_dict(params: dict[str, Any]) -> None: ...

    @task
    def with_bare_dict(params: dict) -> None: ...  # type: ignore[type-arg]

    @task
    def with_bare_context(params: Params, ctx) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001

    assert (described(with_model).params, described(with_model).takes_context) == (Params, True)
    assert (described(with_dict).params, described(with_dict).takes_context) == (None, False)
    assert described(with_bare_dict).params is None
    assert described(with_bare_context).takes_context
    assert [described(function).is_async for function in (with_model, with_dict)] == [False, True]


def nothing() -> None: ...
def unannotated(params) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001
def not_a_model(params: int) -> None: ...
def too_many(params: Params, ctx: TaskContext, more: int) -> None: ...
def keyword_only(*, params: Params) -> None: ...
def any_number(*params: Params) -> None: ...
def second_is_no_context(params: Params, session: str) -> None: ...
def unknown_name(params: "NowhereDefined") -> None: ...  # type: ignore[name-defined] # noqa: F821
def generator(params: Params) -> Iterator[int]:
    yield 1


async def async_generator(params: Params) -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (nothing, "takes no parameters"),
        (unannotated, "'params' has no annotation"),
        (not_a_model, "annotated <class 'int'>"),
        (too_many, "takes 3 parameters (params, ctx, more)"),
        (keyword_only, "is not positional"),
        (any_number, "is not positional"),
        (second_is_no_context, "'session' is not annotated with TaskContext"),
        (unknown_name, "'NowhereDefined', which is not defined"),
        (generator, "is a generator"),
        (async_generator, "is a generator"),
        (Params, "is not a function"),
    ],
)
def test_another_shape_is_refused_where_it_is_written(function: Callable[..., Any], reason: str) -> None:
    with pytest.raises(InvalidHandler) as refused:
        task(function)
    assert reason in str(refused.value)
    assert "def handler(params: YourModel, ctx: TaskContext)" in str(refused.value)


@pytest.mark.parametrize("name", ["", " reserve"])
def test_a_name_that_no_template_could_give_is_refused(name: str) -> None:
    with pytest.raises(InvalidHandler, match="is empty or has spaces"):

        @task(name)
        def handler(params: Params) -> None: ...
