"""A schema of somebody else's is safe to read with, or refused."""

import json
import resource
import subprocess
import sys
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.envelope import InvalidEnvelope, SchemaRefused, parse_writer_schema, read_avro

LONG_CHAIN = [
    json.dumps({"type": "record", "name": f"R{n}", "fields": [{"name": "f", "type": f"R{n - 1}" if n else "int"}]})
    for n in range(150)
]


def record(*types: Any, name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": f"f{n}", "type": kind} for n, kind in enumerate(types)]}


def refusal(schema: Any, *references: str) -> str:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    with pytest.raises(SchemaRefused) as refused:
        parse_writer_schema(text, references)
    return str(refused.value)


@pytest.mark.parametrize(
    "schema",
    [
        record(["null", "R"]),
        record({"type": "array", "items": "R"}),
        record({"type": "map", "values": record(["null", "R"], name="Inner")}),
    ],
)
def test_a_schema_that_contains_itself_is_refused(schema: Any) -> None:
    assert refusal(schema) == "contains itself (R)"


@pytest.mark.parametrize(
    "items",
    ["null", {"type": "fixed", "name": "F", "size": 0}, record("null", record(name="Nothing")), {"type": "null"}],
)
def test_an_array_of_things_without_bytes_is_refused(items: Any) -> None:
    assert "no bytes" in refusal({"type": "array", "items": items})


@pytest.mark.parametrize("schema", ["nonsense", "{", '"string', "[]x", "{}", '{"type": "recrod"}', '"Missing"', "7"])
def test_what_is_no_avro_schema_is_refused(schema: str) -> None:
    assert refusal(schema).startswith("is not an Avro schema")


def test_a_schema_that_is_too_deep_is_refused() -> None:
    nested: Any = "int"
    for _ in range(101):
        nested = {"type": "array", "items": nested}
    assert "deeper than 100" in refusal(nested)
    assert "deeper than 100" in refusal('"R149"', *LONG_CHAIN)
    parse_writer_schema('"R90"', LONG_CHAIN)


@pytest.mark.parametrize("scale", [-1, 1001, 2.5, "x", None])
def test_a_decimal_of_an_unbounded_scale_is_refused(scale: Any) -> None:
    assert refusal({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": scale})


def test_names_in_any_namespace_and_of_other_schemas_are_found() -> None:
    money = {"type": "fixed", "name": "Money", "namespace": "io.money", "size": 2}
    line = {
        "type": "record",
        "name": "Line",
        "namespace": "io.shop",
        "fields": [
            {"name": "price", "type": "io.money.Money"},
            {"name": "unit", "type": {"type": "enum", "name": "Unit", "namespace": "", "symbols": ["PIECE"]}},
        ],
    }
    order = {
        "type": "record",
        "name": "Order",
        "namespace": "io.orders",
        "fields": [
            {"name": "lines", "type": {"type": "array", "items": "io.shop.Line"}},
            {"name": "unit", "type": "io.shop.Line"},
        ],
    }
    schema = parse_writer_schema(json.dumps(order), (json.dumps(money), json.dumps(line)))
    assert schema.name == "io.orders.Order"
    line_bytes = b"\x01\x02\x00"
    value = b"\0\0\0\0\1" + b"\x02" + line_bytes + b"\x00" + line_bytes
    expected = {"price": "AQI=", "unit": "PIECE"}
    assert read_avro(value, {1: schema}) == {"lines": [expected], "unit": expected}


def test_defaults_that_do_not_fit_their_type_are_the_writers_business() -> None:
    field = {"name": "price", "type": {"type": "double"}, "default": 0}
    parse_writer_schema(json.dumps({"type": "record", "name": "R", "fields": [field]}))


leaves = st.sampled_from(
    [
        *("boolean", "int", "long", "float", "double", "bytes", "string"),
        {"type": "long", "logicalType": "timestamp-millis"},
        {"type": "long", "logicalType": "local-timestamp-nanos"},
        {"type": "int", "logicalType": "date"},
        {"type": "int", "logicalType": "time-millis"},
        {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
        {"type": "string", "logicalType": "uuid"},
    ]
)
types = st.recursive(
    leaves,
    lambda inner: (
        inner.map(lambda kind: ["null", kind])
        | inner.filter(lambda kind: not isinstance(kind, list)).map(lambda kind: {"type": "array", "items": kind})
        | inner.map(lambda kind: {"type": "map", "values": kind})
    ),
    max_leaves=4,
)


@given(kinds=st.lists(types, max_size=4), body=st.binary(max_size=60))
def test_any_bytes_of_any_schema_give_json_or_invalid_envelope(kinds: list[Any], body: bytes) -> None:
    schema = parse_writer_schema(json.dumps(record(*kinds)))
    try:
        value = read_avro(b"\0\0\0\0\1" + body, {1: schema})
    except InvalidEnvelope as error:
        assert error.message  # noqa: PT017 - either outcome is fine
    else:
        json.dumps(value, allow_nan=False).encode()


@given(number=st.integers(-(2**63), 2**63 - 1), text=st.text(), raw=st.binary(), flag=st.booleans())
def test_what_another_library_call_wrote_is_read_as_it_is(number: int, text: str, raw: bytes, flag: bool) -> None:  # noqa: FBT001
    kinds = ["long", "string", ["null", "boolean"], {"type": "map", "values": "string"}]
    body = BytesIO()
    fastavro.schemaless_writer(
        body, fastavro.parse_schema(record(*kinds)), {"f0": number, "f1": text, "f2": flag, "f3": {text: text}}
    )
    schema = parse_writer_schema(json.dumps(record(*kinds)))
    expected = {"f0": number, "f1": text, "f2": flag, "f3": {text: text}}
    assert read_avro(b"\0\0\0\0\1" + body.getvalue(), {1: schema}) == expected
    with pytest.raises(InvalidEnvelope):
        read_avro(b"\0\0\0\0\1" + body.getvalue() + b"x" + raw, {1: schema})


HOSTILE = """
import json, resource, sys
from taskfactory.envelope import InvalidEnvelope, decode, parse_writer_schema, read_avro
from taskfactory.envelope.avro import header
from taskfactory.envelope.envelope_record import shipped

def count(number):
    number <<= 1
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])

huge = count(1 << 60)
envelope = json.loads(shipped()[0])
envelope["fields"].insert(0, {"name": "unknown", "type": {"type": "array", "items": json.loads(sys.argv[1])}})
schemas = {
    6: parse_writer_schema(json.dumps(envelope)),
    1: parse_writer_schema(shipped()[0]),
    2: parse_writer_schema('{"type":"array","items":"long"}'),
    3: parse_writer_schema('{"type":"map","values":"bytes"}'),
    4: parse_writer_schema('{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}'),
    5: parse_writer_schema('"long"'),
}
values = [header() + huge, header() + b"\\6" + b"1.0" + huge] + [
    b"\\0\\0\\0\\0" + bytes([number]) + body
    for number in schemas
    for body in (
        huge, huge + b"\\0" * 1000, b"\\x03" + huge, count(1_000_000) + b"\\7" * 1_000_000, b"\\xff" * 1_000_000
    )
]
resource.setrlimit(resource.RLIMIT_AS, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + (1 << 30),) * 2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for value in values:
    for read in (lambda: decode(value, [], None, schemas), lambda: read_avro(value, schemas)):
        try:
            read()
        except InvalidEnvelope as error:
            pass
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(grown)
sys.exit(grown > 100)
"""


FIXED = '{"type": "fixed", "name": "F", "size": 4}'


@pytest.mark.parametrize("unknown", ['"boolean"', '"float"', '"double"', FIXED, '["null", "long"]', '"bytes"'])
def test_declared_lengths_without_bytes_behind_them_cost_neither_memory_nor_time(unknown: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE, unknown], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 10
