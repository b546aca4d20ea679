"""The `@task` decorator: checks a function once, where it is written, and leaves it callable as it was."""

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, overload

from pydantic import BaseModel

from taskfactory.tasks.context import TaskContext
from taskfactory.tasks.errors import InvalidHandler
from taskfactory.tasks.params import parse_params
from taskfactory.tasks.task_input import TaskInput

Function = TypeVar("Function", bound=Callable[..., Any])

_MARK: Final = "__taskfactory_handler__"


@dataclass(frozen=True)
class TaskHandler:
    """A function that can do tasks, and what it declared."""

    name: str
    """What task templates call it: `handler`."""
    function: Callable[..., Any]
    params: type[BaseModel] | None
    """None when the handler takes the params as a dict."""
    takes_context: bool

    @property
    def is_async(self) -> bool:
        """Whether it runs on the event loop; otherwise it runs in a thread."""
        return inspect.iscoroutinefunction(self.function)

    @property
    def place(self) -> str:
        """Where it is written."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    def call(self, task: TaskInput, ctx: TaskContext) -> Any:
        """Validate the params and call the function; an async one returns its coroutine.

        Raises:
            InvalidParams: the params do not fit the declared model.
        """
        params = task.params if self.params is None else parse_params(self.params, task.params)
        return self.function(params, ctx) if self.takes_context else self.function(params)


@overload
def task(function: Function, /) -> Function: ...
@overload
def task(name: str | None = None, /) -> Callable[[Function], Function]: ...
def task(target: Function | str | None = None, /) -> Function | Callable[[Function], Function]:
    """Make a function a task handler, under a name or its own: `@task("reserve_stock")`, `@task`.

    The function takes `params`, annotated with a Pydantic model or `dict`, and optionally a `TaskContext`; it is sync
    (runs in a thread) or async (runs on the worker's event loop, which it must not block). It stays what it was:
    tests call it directly.

    Raises:
        InvalidHandler: the function has another shape.
    """
    if target is None or isinstance(target, str):
        name = target

        def decorate(function: Function) -> Function:
            return _mark(function, name)

        return decorate
    return _mark(target, None)


def handler_of(value: object) -> TaskHandler | None:
    """The handler that `@task` made of this object, or None."""
    found = getattr(value, _MARK, None)
    return found if isinstance(found, TaskHandler) else None


def _mark(function: Function, name: str | None) -> Function:
    setattr(function, _MARK, describe(function, name))
    return function


def describe(function: Callable[..., Any], name: str | None) -> TaskHandler:
    """Read a handler's shape from its signature.

    Raises:
        InvalidHandler: it is not a function of `params` and, optionally, a `TaskContext`.
    """
    if not inspect.isfunction(function):
        raise InvalidHandler(repr(function), "it is not a function")
    place = f"{function.__module__}.{function.__qualname__}"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidHandler(place, "it is a generator; a handler returns its result")
    if name is not None and (not name or name != name.strip()):
        raise InvalidHandler(place, f"the name {name!r} is empty or has spaces around it")
    try:
        hints = typing.get_type_hints(function)
    except NameError as error:
        raise InvalidHandler(
            place, f"its annotations name {error.name!r}, which is not defined at this point of the module"
        ) from None
    parameters = list(inspect.signature(function).parameters.values())
    _check_parameters(place, parameters, hints)
    return TaskHandler(
        name=name or function.__name__,
        function=function,
        params=_params_model(place, parameters[0].name, hints),
        takes_context=len(parameters) > 1,
    )


def _check_parameters(place: str, parameters: list[inspect.Parameter], hints: dict[str, Any]) -> None:
    if not parameters:
        raise InvalidHandler(place, "it takes no parameters")
    for parameter in parameters:
        if parameter.kind not in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}:
            raise InvalidHandler(place, f"its parameter {parameter} is not positional")
    if len(parameters) > 2:  # noqa: PLR2004 -- params and ctx
        named = ", ".join(parameter.name for parameter in parameters)
        raise InvalidHandler(place, f"it takes {len(parameters)} parameters ({named}), allowed are params and ctx")
    if len(parameters) > 1 and hints.get(parameters[1].name, TaskContext) is not TaskContext:
        raise InvalidHandler(place, f"its second parameter {parameters[1].name!r} is not annotated with TaskContext")


def _params_model(place: str, name: str, hints: dict[str, Any]) -> type[BaseModel] | None:
    if name not in hints:
        raise InvalidHandler(place, f"its first parameter {name!r} has no annotation; use a Pydantic model or dict")
    hint = hints[name]
    if hint is dict or typing.get_origin(hint) is dict:
        return None
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint
    raise InvalidHandler(place, f"its first parameter {name!r} is annotated {hint!r}; use a Pydantic model or dict")
