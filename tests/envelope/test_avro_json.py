"""Avro as JSON: the table in docs/envelope.md, type by type."""

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.envelope import InvalidCode, InvalidEnvelope, parse_writer_schema, read_avro


def read(schema: Any, value: Any) -> Any:
    """Write with fastavro what the schema says without logical types, and read it as JSON."""
    plain = {key: item for key, item in schema.items() if key != "logicalType"} if isinstance(schema, dict) else schema
    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(plain), value)
    return read_avro(b"\0\0\0\0\1" + body.getvalue(), {1: parse_writer_schema(json.dumps(schema))})


def logical(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


def fixed(size: int, name: str | None = None, **more: Any) -> dict[str, Any]:
    return {"type": "fixed", "name": "F", "size": size, **({"logicalType": name} if name else {}), **more}


NOW_MS = 1793697164120
INFINITY_US = 9223372036825200000


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ("null", None, None),
        ("boolean", True, True),
        ("int", -3, -3),
        ("long", 2**63 - 1, 2**63 - 1),
        ("double", 1.5, 1.5),
        ("double", math.nan, "NaN"),
        ("float", math.inf, "Infinity"),
        ("double", -math.inf, "-Infinity"),
        ("string", "ü\0", "ü\0"),
        ("bytes", b"\xff\0", "/wA="),
        (fixed(2), b"\xff\0", "/wA="),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B"),
        ({"type": "array", "items": "bytes"}, [b"a"], ["YQ=="]),
        ({"type": "map", "values": "double"}, {"x": math.nan}, {"x": "NaN"}),
        (["null", "bytes"], b"a", "YQ=="),
        (["null", "bytes"], None, None),
        (logical("long", "timestamp-millis"), NOW_MS, "2026-11-03T09:12:44.120Z"),
        (logical("long", "timestamp-millis"), -1, "1969-12-31T23:59:59.999Z"),
        (logical("long", "timestamp-micros"), NOW_MS * 1000 + 7, "2026-11-03T09:12:44.120007Z"),
        (logical("long", "timestamp-nanos"), NOW_MS * 10**6 + 7, "2026-11-03T09:12:44.120000007Z"),
        (logical("long", "timestamp-micros"), INFINITY_US, INFINITY_US),
        (logical("long", "timestamp-millis"), -62135596800000, "0001-01-01T00:00:00.000Z"),
        (logical("long", "local-timestamp-millis"), NOW_MS, "2026-11-03T09:12:44.120"),
        (logical("long", "local-timestamp-micros"), NOW_MS * 1000, "2026-11-03T09:12:44.120000"),
        (logical("int", "date"), 20760, "2026-11-03"),
        (logical("int", "date"), 2**31 - 1, 2**31 - 1),
        (logical("int", "time-millis"), 33164120, "09:12:44.120"),
        (logical("long", "time-micros"), 33164120007, "09:12:44.120007"),
        (logical("int", "time-millis"), 86_400_000, 86_400_000),
        (logical("int", "time-millis"), -1, -1),
        (logical("string", "uuid"), "0192E4A7-3f6c-7c11-8000-000000000000", "0192E4A7-3f6c-7c11-8000-000000000000"),
        (fixed(16, "uuid"), bytes(range(16)), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
        (fixed(12, "duration"), b"\1\0\0\0\2\0\0\0\x64\0\0\0", "P1M2DT0.100S"),
        (logical("bytes", "decimal", precision=5, scale=2), b"\x30\x39", "123.45"),
        (logical("bytes", "decimal", precision=5, scale=2), b"\xff", "-0.01"),
        (logical("bytes", "decimal", precision=5), b"\x30\x39", "12345"),
        (logical("bytes", "decimal", precision=5, scale=2), b"", "0.00"),
        (fixed(2, "decimal", precision=4, scale=3), b"\xff\xff", "-0.001"),
        # Logical types that are unknown, or on a type that they do not belong to, are passed over.
        (logical("int", "timestamp-millis"), 5, 5),
        (logical("long", "io.debezium.time.MicroTimestamp"), 5, 5),
        (logical("string", "date"), "x", "x"),
        (fixed(3, "uuid"), b"abc", "YWJj"),
    ],
)
def test_each_type_has_one_form_in_json(schema: Any, value: Any, expected: Any) -> None:
    found = read(schema, value)
    assert found == expected
    assert type(found) is type(expected)


@given(moment=st.datetimes(timezones=st.just(UTC)))
def test_a_timestamp_is_the_moment_that_was_written(moment: datetime) -> None:
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    text = read(logical("long", "timestamp-micros"), micros)
    assert datetime.fromisoformat(text) == moment


@given(unscaled=st.integers(-(10**60), 10**60), scale=st.integers(0, 30))
def test_a_decimal_keeps_every_digit(unscaled: int, scale: int) -> None:
    raw = unscaled.to_bytes(unscaled.bit_length() // 8 + 1, "big", signed=True)
    text = read(logical("bytes", "decimal", precision=70, scale=scale), raw)
    assert Decimal(text) == Decimal(f"{unscaled}E-{scale}")
    assert len(text.partition(".")[2]) == scale


def test_a_decimal_of_endless_digits_is_refused() -> None:
    with pytest.raises(InvalidEnvelope) as refused:
        read(logical("bytes", "decimal", precision=5, scale=2), b"\x7f" * 1025)
    assert refused.value.code == InvalidCode.MALFORMED_AVRO
    assert "at most 1024" in refused.value.message


def test_other_users_of_fastavro_in_the_process_read_as_before() -> None:
    schema = fastavro.parse_schema(logical("long", "timestamp-millis"))
    assert fastavro.schemaless_reader(BytesIO(b"\0"), schema, None) == datetime(1970, 1, 1, tzinfo=UTC)
