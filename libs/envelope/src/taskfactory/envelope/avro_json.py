"""Avro values as JSON, one rule for each type (docs/envelope.md, "Avro as JSON").

The rules run inside fastavro, as readers of logical types of our own: `node` says a type of the writer's schema anew so
that reading it gives JSON at once. Their names carry our prefix, so that nobody else's schemas are read by them.
"""

import base64
import math
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from fastavro.read import LOGICAL_READERS

MAX_DECIMAL_BYTES: Final = 1_024
"""About 2,400 digits. Turning binary into decimal digits takes time that grows with the square of their number."""

_PREFIX: Final = "taskfactory."
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the zone is written by hand, or there is none
_UNITS: Final = {"millis": 3, "micros": 6, "nanos": 9}
_DAY_SECONDS: Final = 86_400
_SIZED: Final = (("uuid", 16), ("duration", 12))
"""Logical types of `fixed`, with the size that they need."""


class UnfitAvro(ValueError):  # noqa: N818 - reads as what it is
    """A value that its schema's logical type does not allow; the message is a clause."""


def node(kind: str, declared: Mapping[str, Any]) -> Any:
    """Say a primitive type or `fixed` of a writer's schema anew, so that reading it gives JSON.

    Args:
        kind: The Avro type.
        declared: What the schema says of it. An unknown logical type, or one that does not belong to the type, is
            passed over (Avro 1.12, "Logical Types").
    """
    rule = _rule(kind, declared)
    if rule is None:
        return kind
    scale = {"scale": declared.get("scale", 0)} if rule == "decimal" else {}
    return {"type": kind, "logicalType": _PREFIX + rule, **scale}


def _rule(kind: str, declared: Mapping[str, Any]) -> str | None:
    logical = str(declared.get("logicalType"))
    if f"{kind}-{logical}" in _CALENDAR:
        return logical
    if kind in ("bytes", "fixed"):
        known = logical == "decimal" or (logical, declared.get("size")) in _SIZED
        return logical if known else "base64"
    return "number" if kind in ("float", "double") else None


def _moment(unit: int, *, zone: str) -> Callable[[int], Any]:
    scale = 10**unit

    def read(value: int) -> Any:
        seconds, fraction = divmod(value, scale)
        try:
            moment = _EPOCH + timedelta(seconds=seconds)
        except OverflowError:  # as "infinity" of PostgreSQL, which is no moment of the calendar
            return value
        return f"{moment.isoformat()}.{fraction:0{unit}d}{zone}"

    return read


def _time(unit: int) -> Callable[[int], Any]:
    scale = 10**unit

    def read(value: int) -> Any:
        seconds, fraction = divmod(value, scale)
        if not 0 <= seconds < _DAY_SECONDS:
            return value
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction:0{unit}d}"

    return read


def _date(value: int) -> Any:
    try:
        return (date(1970, 1, 1) + timedelta(days=value)).isoformat()
    except OverflowError:
        return value


def _decimal(raw: bytes, scale: int) -> str:
    if len(raw) > MAX_DECIMAL_BYTES:
        raise UnfitAvro(f"a decimal has {len(raw)} bytes; at most {MAX_DECIMAL_BYTES} are read")
    unscaled = int.from_bytes(raw, "big", signed=True)
    digits = str(abs(unscaled)).rjust(scale + 1, "0")
    text = f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
    return f"-{text}" if unscaled < 0 else text


def _number(value: float) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _uuid(raw: bytes) -> str:
    return str(uuid.UUID(bytes=raw))


def _duration(raw: bytes) -> str:
    months, days, millis = (int.from_bytes(raw[start : start + 4], "little") for start in (0, 4, 8))
    return f"P{months}M{days}DT{millis // 1000}.{millis % 1000:03d}S"


_CALENDAR: Final[dict[str, Callable[[int], Any]]] = {
    **{f"long-timestamp-{unit}": _moment(digits, zone="Z") for unit, digits in _UNITS.items()},
    **{f"long-local-timestamp-{unit}": _moment(digits, zone="") for unit, digits in _UNITS.items()},
    "int-date": _date,
    "int-time-millis": _time(3),
    "long-time-micros": _time(6),
}


def _register(name: str, read: Callable[[Any], Any]) -> None:
    kind, _, rule = name.partition("-")
    LOGICAL_READERS[f"{kind}-{_PREFIX}{rule}"] = lambda value, _writer, _reader: read(value)


for _name, _reader in _CALENDAR.items():
    _register(_name, _reader)
_register("float-number", _number)
_register("double-number", _number)
_register("bytes-base64", _base64)
_register("fixed-base64", _base64)
_register("fixed-uuid", _uuid)
_register("fixed-duration", _duration)
for _name in ("bytes", "fixed"):
    LOGICAL_READERS[f"{_name}-{_PREFIX}decimal"] = lambda raw, writer, _reader: _decimal(raw, (writer or {})["scale"])
