"""Expressions and templates filled in, with an error that says where it is and which text it is about."""

from typing import Any

from taskfactory.definitions.cel import Bindings, EvaluationError
from taskfactory.definitions.paths import Path, render_path
from taskfactory.definitions.templates import TemplateError, render_template


class RenderFailed(ValueError):  # noqa: N818  the subject, not the mechanism
    """The tasks cannot be worked out on this event."""

    def __init__(self, code: str, path: str, expression: str | None, message: str) -> None:
        """Take where and why.

        Args:
            code: `cel_error` (an expression has no value), `template_error` (it has one that does not fit),
                `too_many_tasks` or `context_missing` (a value from outside was not given).
            path: As `tasks[0].params.sku`.
            expression: The expression or template as written.
            message: A sentence.
        """
        super().__init__(f"{path}: {message}" + (f" (in {expression})" if expression else ""))
        self.code = code
        self.path = path
        self.expression = expression
        self.message = message


def fill(value: Any, path: Path, bindings: Bindings) -> Any:
    """A JSON value with its templates filled in.

    Raises:
        RenderFailed: A template fails.
    """
    if isinstance(value, dict):
        return {key: fill(element, (*path, key), bindings) for key, element in value.items()}
    if isinstance(value, list):
        return [fill(element, (*path, position), bindings) for position, element in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        return render_template(value, bindings)
    except TemplateError as error:
        raise RenderFailed("template_error", render_path(path), value, error.message) from error
    except EvaluationError as error:
        raise RenderFailed("cel_error", render_path(path), error.expression, error.message) from error


def evaluate(expression: str, path: Path, bindings: Bindings) -> Any:
    """The expression's JSON value.

    Raises:
        RenderFailed: It has none.
    """
    try:
        return bindings.evaluate(expression)
    except EvaluationError as error:
        raise RenderFailed("cel_error", render_path(path), expression, error.message) from error
