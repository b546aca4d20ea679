"""EventEnvelope: one CloudEvents 1.0 event, typed."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from taskfactory.envelope import data as data_forms
from taskfactory.envelope.attributes import (
    MAX_INTEGER,
    NOT_IN_ATTRIBUTES,
    Count,
    ExtensionName,
    ExtensionValue,
    Text,
    Timestamp,
    forbidden_character,
    parse_time,
)
from taskfactory.envelope.errors import InvalidCode, InvalidEnvelope, shown, shown_name

SPECVERSION: Final = "1.0"
REQUIRED: Final = ("specversion", "id", "source", "type")
_REQUIRED: Final = frozenset(REQUIRED)

AttributeValue = str | int | bool

_PARSED: Final = object()
"""Pydantic's validation context of members that `json_text.parse` gave."""


class EventEnvelope(BaseModel):
    """An event: CloudEvents attributes and `data`. Attributes that are not named here are kept as extensions.

    Building one by hand raises `pydantic.ValidationError` where a rule is broken; `from_json_dict`, `from_attributes`
    and `decode` raise `InvalidEnvelope`.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[ExtensionName, ExtensionValue]

    specversion: Literal["1.0"] = SPECVERSION
    id: Text
    """Unique together with `source`; a producer that retries must send the same one."""
    source: Text
    type: Text
    subject: Text | None = None
    time: Timestamp | None = None
    """RFC 3339, exactly as the producer wrote it."""
    datacontenttype: Text | None = None
    """Absent means JSON."""
    dataschema: Text | None = None
    traceparent: Text | None = None
    tracestate: Text | None = None
    correlationid: Text | None = None
    causationid: Text | None = None
    partitionkey: Text | None = None
    hops: Count | None = None
    """How many reactions lie between this event and the first of its chain."""
    data: Any = None
    """A JSON value for JSON content, str for `text/*`, bytes otherwise; None where there is none, or a JSON null."""

    @field_validator("data")
    @classmethod
    def _in_one_form(cls, value: Any, info: ValidationInfo) -> Any:
        return data_forms.canonical(value, info.data.get("datacontenttype"), parsed=info.context is _PARSED)

    @property
    def identity(self) -> tuple[str, str]:
        """`(source, id)`: two envelopes with one identity are one event."""
        return self.source, self.id

    @property
    def occurred_at(self) -> datetime | None:
        """`time` as an aware datetime, cut to microseconds."""
        return None if self.time is None else parse_time(self.time)

    @property
    def attributes(self) -> dict[str, AttributeValue]:
        """Every attribute that is set, extensions included, `data` not."""
        named = {name: value for name, value in self.__dict__.items() if value is not None and name != "data"}
        if self.__pydantic_extra__:
            named.update(self.__pydantic_extra__)
        return named

    def to_json_dict(self) -> dict[str, Any]:
        """The CloudEvents JSON form: attributes, and `data` or `data_base64` where there is data."""
        members: dict[str, Any] = self.attributes
        if type(self.data) is bytes:
            members["data_base64"] = base64.b64encode(self.data).decode()
        elif self.data is not None:
            members["data"] = self.data
        return members

    @classmethod
    def from_json_dict(cls, members: Mapping[str, Any], *, parsed: bool = False) -> Self:
        """Read the CloudEvents JSON form. A member that is null is absent (JSON format, section 2.2).

        Args:
            members: The event.
            parsed: Whether the members are what `json_text.parse` gave; what it saw to is not checked again then.

        Raises:
            InvalidEnvelope: A rule is broken.
        """
        present = dict(members)
        if None in present.values():
            present = {name: value for name, value in members.items() if value is not None}
        if "data_base64" in present:
            if "data" in present:
                raise InvalidEnvelope(
                    InvalidCode.INVALID_DATA, "data_base64", "data and data_base64 are both set; send one of them."
                )
            present["data"] = _from_base64(present.pop("data_base64"))
        return cls._from_members(present, _PARSED if parsed else None)

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any], data: Any = None) -> Self:
        """Put an envelope together from attributes and data (a JSON value, str, bytes or None).

        Raises:
            InvalidEnvelope: A rule is broken.
        """
        if "data" in attributes:
            raise InvalidEnvelope(
                InvalidCode.INVALID_ATTRIBUTE, "data", "data is not an attribute: CloudEvents reserves the name."
            )
        return cls._from_members({**attributes, "data": data})

    @classmethod
    def _from_members(cls, members: dict[str, Any], context: object = None) -> Self:
        _check_required(members)
        try:
            return cls.model_validate(members, context=context)
        except ValidationError as error:
            raise _as_invalid(error.errors(include_url=False)[0]) from None


def _check_required(members: Mapping[str, Any]) -> None:
    version = members.get("specversion")
    if version is not None and version != SPECVERSION:
        raise InvalidEnvelope(
            InvalidCode.UNSUPPORTED_SPECVERSION,
            "specversion",
            f"specversion is {shown(version)}; only CloudEvents {SPECVERSION} is read.",
        )
    if not members.keys() >= _REQUIRED:
        missing = [name for name in REQUIRED if name not in members]
        raise InvalidEnvelope(
            InvalidCode.MISSING_ATTRIBUTE,
            missing[0],
            f"Missing: {', '.join(missing)}. Every envelope needs {', '.join(REQUIRED)}.",
        )


def _from_base64(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise InvalidEnvelope(
            InvalidCode.INVALID_DATA, "data_base64", "data_base64 is not a base64 string (RFC 4648, section 4)."
        ) from None


def _as_invalid(error: ErrorDetails) -> InvalidEnvelope:
    """The first broken rule, in the terms of this library instead of Pydantic's."""
    field = shown_name(str(error["loc"][0]))
    found = error["input"]
    if field == "data":
        return InvalidEnvelope(InvalidCode.INVALID_DATA, field, f"{error['ctx']['error']}.")
    match error["type"]:
        case "value_error":
            reason = str(error["ctx"]["error"])
        case "string_type":
            reason = f"is {shown(found)}; it must be a string"
        case "string_too_short":
            reason = "is empty; leave it out or give it a value"
        case "string_pattern_mismatch":
            reason = f"holds {forbidden_character(found)}; {NOT_IN_ATTRIBUTES}"
        case "string_unicode":
            reason = f"holds half of a surrogate pair; {NOT_IN_ATTRIBUTES}"
        case "int_type" | "greater_than_equal" | "less_than_equal":
            reason = f"is {shown(found)}; allowed is a whole number from 0 to {MAX_INTEGER}"
        case _:
            reason = f"is {shown(found)}: {error['msg']}"
    return InvalidEnvelope(InvalidCode.INVALID_ATTRIBUTE, field, f"{field} {reason}.")
