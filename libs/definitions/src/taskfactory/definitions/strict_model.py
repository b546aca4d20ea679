"""What the parts of a document share: strict, frozen models, and durations."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from taskfactory.definitions.durations import DURATION_PATTERN, InvalidDuration, parse_duration


def problem(code: str, message: str) -> PydanticCustomError:
    """An error whose message is shown as it is."""
    return PydanticCustomError(code, "{message}", {"message": message})


def check_duration(value: Any) -> Any:
    """Give the value back.

    Raises:
        PydanticCustomError: It is no duration.
    """
    try:
        parse_duration(value)
    except InvalidDuration as error:
        raise problem("duration", str(error)) from None
    return value


Duration = Annotated[
    str,
    BeforeValidator(check_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "minLength": 2}),
]


class StrictModel(BaseModel):
    """What every part of a document is: frozen, without unknown fields, without guessed types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        absent = {
            name
            for name, field in type(self).model_fields.items()
            if field.default is None and getattr(self, name) is None
        }
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name not in absent}
