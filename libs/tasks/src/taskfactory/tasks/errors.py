"""How a task fails, and what a handler module can get wrong.

`TaskFailed` and its kinds are Temporal application errors, so they mean the same when they are raised in a handler
(an activity) and in a child workflow. Everything else that a handler raises is retried by the task's retry policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.exceptions import ApplicationError


class TaskFailed(ApplicationError):  # noqa: N818 -- it says what happened; so do its kinds
    """The task cannot be done: raise it in a handler to fail at once instead of being retried.

    Args:
        message: a sentence for people; it becomes `error.message` of the task's outcome.
        type: a short stable code for programs; it becomes `error.type` of the task's outcome.
        retryable: True lets the retry policy go on; only `type` and `message` are then said better than by an
            exception of any other class.
    """

    def __init__(self, message: str, *, type: str = "TaskFailed", retryable: bool = False) -> None:  # noqa: A002 -- the outcome's own field name
        super().__init__(message, type=type, non_retryable=not retryable)


@dataclass(frozen=True)
class ParamProblem:
    """One field of a task's params that the handler's model refuses."""

    field: str
    """Path within `params`, dots and `[index]`; empty when the params as a whole are refused."""
    message: str
    found: str
    """What stood there as JSON, or how much if it is long."""

    def __str__(self) -> str:
        return f"{self.field or '(params)'}: {self.message} (found {self.found})"


class InvalidParams(TaskFailed):
    """The rendered params do not fit the handler's model; correct the task template or the model."""

    def __init__(self, model: str, problems: Sequence[ParamProblem]) -> None:
        self.model = model
        self.problems = tuple(problems)
        listed = "; ".join(str(problem) for problem in self.problems)
        super().__init__(
            f"the task's params do not fit {model}: {listed}. Correct `params` in the activity definition.",
            type="InvalidParams",
        )

    @property
    def without_values(self) -> str:
        """The message for a log. A worker does not know which of its params are secrets, so it writes none down."""
        listed = "; ".join(f"{problem.field or '(params)'}: {problem.message}" for problem in self.problems)
        return f"the task's params do not fit {self.model}: {listed}"


class InvalidResult(TaskFailed):
    """The handler returned something that JSON cannot hold."""

    def __init__(self, handler: str, problem: str) -> None:
        self.handler = handler
        self.problem = problem
        super().__init__(
            f"handler {handler!r} returned {problem}. Return a Pydantic model, a dict of JSON values, or None.",
            type="InvalidResult",
        )


class ResultTooLarge(TaskFailed):
    """The handler's result is larger than what Temporal would take."""

    def __init__(self, handler: str, size: int, limit: int) -> None:
        self.handler = handler
        self.size = size
        self.limit = limit
        super().__init__(
            f"handler {handler!r} returned {size:,} bytes of JSON, allowed are {limit:,}. Store the data elsewhere "
            "and return a reference to it.",
            type="ResultTooLarge",
        )


class InvalidHandler(TypeError):  # noqa: N818 -- the subject, not the mechanism
    """A function that `@task` cannot serve; raised where it is decorated."""

    def __init__(self, function: str, problem: str) -> None:
        self.function = function
        self.problem = problem
        super().__init__(
            f"{function} cannot be a task handler: {problem}. "
            "Write it as `def handler(params: YourModel, ctx: TaskContext) -> YourResult`; `ctx` may be left out."
        )


class HandlersUnusable(Exception):  # noqa: N818 -- it says what the modules are, like its siblings
    """The modules given to a worker cannot be served."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))
