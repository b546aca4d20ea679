"""SDK for task handlers and their workers."""

from taskfactory.tasks.context import TaskContext
from taskfactory.tasks.errors import InvalidHandler, InvalidParams, InvalidResult, ResultTooLarge, TaskFailed
from taskfactory.tasks.handler import task
from taskfactory.tasks.task_input import TaskInput, TaskResult

__all__ = [
    "InvalidHandler",
    "InvalidParams",
    "InvalidResult",
    "ResultTooLarge",
    "TaskContext",
    "TaskFailed",
    "TaskInput",
    "TaskResult",
    "task",
]
