"""Which handlers and workflows a worker serves: everything that the given modules hold under a name.

A module may import handlers from elsewhere to serve them too. Two different things under one name are refused: which
one does a task would depend on the order of imports.
"""

import importlib
import inspect
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from taskfactory.tasks.errors import HandlersUnusable
from taskfactory.tasks.handler import TaskHandler, handler_of

Kind = Literal["task", "activity", "workflow"]


@dataclass(frozen=True)
class Served:
    """One name that a worker answers to."""

    kind: Kind
    name: str
    place: str
    """Module and qualified name of what stands behind it."""
    target: TaskHandler | Callable[..., Any] | type


@dataclass(frozen=True)
class HandlerSet:
    """What a worker serves, checked."""

    served: tuple[Served, ...]
    modules: tuple[str, ...] = field(default=())

    @property
    def handlers(self) -> list[TaskHandler]:
        """Functions decorated with `@task`."""
        return [item.target for item in self.served if isinstance(item.target, TaskHandler)]

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """Temporal's own `@activity.defn` functions, which child workflows call."""
        return [item.target for item in self.served if item.kind == "activity" and callable(item.target)]

    @property
    def workflows(self) -> list[type]:
        """Temporal's `@workflow.defn` classes: tasks of type `workflow`."""
        return [item.target for item in self.served if item.kind == "workflow" and isinstance(item.target, type)]


def load_handlers(modules: Sequence[str]) -> HandlerSet:
    """Import the modules and collect what they serve.

    Args:
        modules: dotted names, as Python imports them.

    Raises:
        HandlersUnusable: a module can't be imported or serves nothing, or a name is taken twice; all problems are told.
    """
    problems: list[str] = []
    found: dict[int, Served] = {}
    for name in dict.fromkeys(modules):
        module = _import(name, problems)
        if module is None:
            continue
        served = {id(item.target): item for item in _served_by(module)}
        if not served:
            problems.append(
                f"module {name!r} has no handlers: decorate a function with @task (from taskfactory.tasks) "
                "or a class with Temporal's @workflow.defn"
            )
        found |= served
    problems.extend(_taken_twice(list(found.values())))
    if problems:
        raise HandlersUnusable(problems)
    ordered = sorted(found.values(), key=lambda item: (item.kind, item.name))
    return HandlerSet(tuple(ordered), tuple(dict.fromkeys(modules)))


def _import(name: str, problems: list[str]) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            problems.append(
                f"module {name!r} was not found (looked for {error.name!r} in {Path.cwd()} and on Python's path). "
                "Name it as Python imports it, for instance examples.shop.handlers"
            )
        else:
            problems.append(f"module {name!r} could not be imported: {error} (imported at {_origin(error)})")
    except Exception as error:  # noqa: BLE001 -- an author's module may raise anything
        said = traceback.format_exception_only(error)[-1].strip()
        problems.append(f"module {name!r} could not be imported: {said} (at {_origin(error)})")
    return None


def _origin(error: BaseException) -> str:
    """The author's file and line that an import failed at: neither the import machinery's nor our own."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    ours = str(Path(__file__).parent)
    theirs = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and not frame.filename.startswith(ours)
    ]
    return f"{theirs[-1].filename}:{theirs[-1].lineno}" if theirs else "its first line"


def _served_by(module: ModuleType) -> Iterator[Served]:
    for value in vars(module).values():
        handler = handler_of(value)
        if handler is not None:
            yield Served("task", handler.name, handler.place, handler)
        elif inspect.isclass(value):
            # The SDK's own marks: it has no public way to ask. A subclass inherits the attribute, hence the comparison.
            workflow = getattr(value, "__temporal_workflow_definition", None)
            if workflow is not None and workflow.cls is value and workflow.name:
                yield Served("workflow", workflow.name, f"{value.__module__}.{value.__qualname__}", value)
        elif inspect.isfunction(value):
            definition = getattr(value, "__temporal_activity_definition", None)
            if definition is not None and definition.name:
                yield Served("activity", definition.name, f"{value.__module__}.{value.__qualname__}", value)


def _taken_twice(served: Sequence[Served]) -> Iterator[str]:
    taken: dict[tuple[bool, str], Served] = {}
    for item in served:
        first = taken.setdefault((item.kind == "workflow", item.name), item)
        if first is not item:
            yield f"the name {item.name!r} is taken twice: by {first.place} and by {item.place}; rename one"
