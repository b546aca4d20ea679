"""From a task's rendered params to what its handler declared."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from taskfactory.tasks.errors import InvalidParams, ParamProblem

Model = TypeVar("Model", bound=BaseModel)

FOUND_MAX_CHARS: Final = 80
"""Up to here an error message shows a refused value: outcomes are published, and short.

A longer one is not cut: half of a secret is a secret that nobody recognises any more to take it out.
"""


def parse_params(model: type[Model], params: Mapping[str, Any]) -> Model:
    """Validate params as the JSON that they are: a strict model takes a date from a string, as JSON has no dates.

    Raises:
        InvalidParams: names every field that was refused, and why.
    """
    try:
        return model.model_validate_json(to_json(params))
    except ValidationError as error:
        problems = [
            ParamProblem(_path(item["loc"]), item["msg"], _shown(item["type"], item["input"]))
            for item in error.errors(include_url=False, include_context=False)
        ]
    raise InvalidParams(model.__name__, problems)


def _path(location: Sequence[int | str]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _shown(problem_type: str, found: Any) -> str:
    if problem_type == "missing":
        return "nothing"
    text = to_json(found, fallback=repr).decode()
    return text if len(text) <= FOUND_MAX_CHARS else f"{len(text):,} characters of JSON"
