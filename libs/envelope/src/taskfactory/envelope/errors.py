"""The errors that decoding raises, and the codes that tell kinds of invalid records apart."""

from enum import StrEnum
from typing import Final

_LONGEST: Final = 60


class InvalidCode(StrEnum):
    """Stable codes for programs: dead letters, metrics and tests carry them."""

    NOT_AN_ENVELOPE = "not_an_envelope"
    """No codec recognises the record, or the JSON text is not an object."""
    UNSUPPORTED_FORMAT = "unsupported_format"
    """The record says what it is, and that is a format that is not read here."""
    UNSUPPORTED_SPECVERSION = "unsupported_specversion"
    """A CloudEvents version other than 1.0."""
    MALFORMED_JSON = "malformed_json"
    """The record claims JSON, and its bytes are not JSON."""
    MALFORMED_AVRO = "malformed_avro"
    """The schema is known, and the bytes do not follow it."""
    UNKNOWN_SCHEMA = "unknown_schema"
    """Avro single-object encoding with the fingerprint of a schema that is not shipped, or an id that the schema
    registry does not know."""
    INCOMPATIBLE_SCHEMA = "incompatible_schema"
    """Avro of a schema that cannot be read as an EventEnvelope."""
    MISSING_ATTRIBUTE = "missing_attribute"
    """A required attribute is absent or null."""
    INVALID_ATTRIBUTE = "invalid_attribute"
    """An attribute's name or value is outside CloudEvents' type system."""
    INVALID_DATA = "invalid_data"
    """`data` or `data_base64` cannot be carried without loss."""


class InvalidEnvelope(Exception):  # noqa: N818 - a fixed, public name: the subject, not the mechanism
    """These bytes are no event envelope. Trying again will not help.

    Attributes:
        code: Which rule was broken.
        field: The attribute at fault, `data`, or None where the whole record is.
        message: One or two sentences: what was found, what is allowed, what to do.
    """

    def __init__(self, code: InvalidCode, field: str | None, message: str) -> None:
        super().__init__(code, field, message)
        self.code = code
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return self.message


class SchemaNeeded(Exception):  # noqa: N818 - the subject, not the mechanism
    """Reading this record takes a schema that is not known yet: ask the registry for it, then read again.

    Attributes:
        schema_id: Its id in the registry.
    """

    def __init__(self, schema_id: int) -> None:
        super().__init__(f"The schema {schema_id} is not known yet; ask the schema registry for it and read again.")
        self.schema_id = schema_id


def shown(value: object) -> str:
    """A found value as ASCII on one line, short enough for an error message."""
    text = ascii(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def shown_name(name: str) -> str:
    """A found name, as it is where that is harmless in logs and database columns."""
    return name if name.isascii() and name.isprintable() and 0 < len(name) <= _LONGEST else shown(name)
