"""Records without envelopes become events as their topic's mapping says, or are refused with field and reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions import MappingFailed, RecordParts, TopicMapping, map_record, parse_mapping
from taskfactory.envelope import (
    EventEnvelope,
    InvalidCode,
    InvalidEnvelope,
    SchemaNeeded,
    encode,
    parse_writer_schema,
)

ORDER = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}
SCHEMAS = {9: parse_writer_schema(json.dumps(ORDER))}
AVRO_5 = b"\0\0\0\0\x09\x0a"


def mapping(**fields: Any) -> TopicMapping:
    document = {"apiVersion": "taskfactory/v1", "kind": "TopicMapping", "topic": "orders"}
    return parse_mapping(document | {"id": "'1'", "source": "'/s'", "type": "'t'"} | fields)


def record(value: Any = None, **parts: Any) -> RecordParts:
    raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return RecordParts(
        **{"topic": "orders", "partition": 2, "offset": 7, "timestamp": 1, "key": None, "value": raw, **parts}
    )


def event(mapped: TopicMapping, parts: RecordParts) -> EventEnvelope:
    made = map_record(mapped, parts, SCHEMAS)
    assert made is not None
    return made


def failure(mapped: TopicMapping, parts: RecordParts) -> MappingFailed:
    with pytest.raises(MappingFailed) as failed:
        map_record(mapped, parts, SCHEMAS)
    return failed.value


@pytest.mark.parametrize(
    ("expression", "parts", "expected"),
    [
        ("value.a[0]", {"value": b'{"a": ["x"]}'}, "x"),
        ("topic + '/' + string(partition) + '/' + string(offset)", {}, "orders/2/7"),
        ("timestamp", {"timestamp": 1793697164120}, "2026-11-03T09:12:44.120Z"),
        ("timestamp == null ? 'none' : 'some'", {"timestamp": None}, "none"),
        ("headers['h']", {"headers": [("h", b"a"), ("h", "ü".encode())]}, "ü"),
        ("headers.h", {"headers": [("h", b"\xff")]}, "/w=="),
        ("headers.h == null ? 'null' : ''", {"headers": [("h", None)]}, "null"),
        ("key", {"key": b"k"}, "k"),
        ("key", {"key": b"42"}, "42"),
        ("key", {"key": b"\xff"}, "/w=="),
        ("key", {"key": b"{not json"}, "{not json"),
        ("key.id", {"key": b'{"id": 5}'}, "5"),
        ("key.id", {"key": AVRO_5}, "5"),
        ("key == null ? 'null' : ''", {"key": None}, "null"),
        ("value.id", {"value": AVRO_5}, "5"),
        ("value == null ? 'tombstone' : ''", {"value": None}, "tombstone"),
        ("string(timestamp('2026-11-03T09:12:44Z'))", {}, "2026-11-03T09:12:44Z"),
    ],
)
def test_expressions_see_the_record(expression: str, parts: dict[str, Any], expected: str) -> None:
    assert event(mapping(id=expression), record(**{"value": b"1", **parts})).id == expected


def test_an_event_has_what_the_mapping_says() -> None:
    mapped = mapping(subject="value.s", time="value.t", data="value.d")
    made = event(mapped, record({"s": "x", "t": "2026-11-03T09:12:44Z", "d": [1, 1.5, None]}))
    assert made.to_json_dict() == {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "t",
        "subject": "x",
        "time": "2026-11-03T09:12:44Z",
        "data": [1, 1.5, None],
    }


def test_null_leaves_optional_attributes_out() -> None:
    made = event(mapping(subject="value.s", time="value.t"), record({"s": None, "t": None}))
    assert made.attributes == {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("1793697164120", "2026-11-03T09:12:44.120Z"), ("timestamp('2026-11-03T09:12:44Z')", "2026-11-03T09:12:44Z")],
)
def test_time_may_be_milliseconds_or_a_timestamp(expression: str, expected: str) -> None:
    assert event(mapping(time=expression), record({})).time == expected


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"id": "value.nope"}, "id", "nope"),
        ({"id": "null"}, "id", "found"),
        ({"id": "true"}, "id", "the expression gives true; allowed are text and whole numbers"),
        ({"id": "1.5"}, "id", "1.5"),
        ({"id": "''"}, "id", "empty"),
        ({"type": "[1]"}, "type", "[1]"),
        ({"subject": '"a\\nb"'}, "subject", "U+000A"),
        ({"time": "'yesterday'"}, "time", "RFC 3339"),
        ({"time": "1.5"}, "time", "milliseconds"),
        ({"time": "99999999999999999"}, "time", "no moment of the calendar"),
        ({"skip": "'yes'"}, "skip", "allowed are true and false"),
        ({"data": "1 / 0"}, "data", "zero"),
    ],
)
def test_a_value_that_an_attribute_cannot_have_is_refused_with_its_field(
    fields: dict[str, str], field: str, words: str
) -> None:
    failed = failure(mapping(**fields), record({}))
    assert failed.field == field
    assert words.replace("found", "gives null") in failed.message
    assert str(failed).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("fmt", "value", "code"),
    [
        (None, b"not json", InvalidCode.MALFORMED_JSON),
        (None, b"", InvalidCode.MALFORMED_JSON),
        (None, b"99999999999999999999", InvalidCode.INVALID_DATA),
        (None, AVRO_5 + b"x", InvalidCode.MALFORMED_AVRO),
        ("avro", b'{"id": 5}', InvalidCode.MALFORMED_AVRO),
        ("json", AVRO_5, InvalidCode.MALFORMED_JSON),
    ],
)
def test_a_value_that_is_not_what_the_format_says_is_invalid(fmt: str | None, value: bytes, code: InvalidCode) -> None:
    with pytest.raises(InvalidEnvelope) as refused:
        map_record(mapping(**({"format": fmt} if fmt else {})), record(value), SCHEMAS)
    assert refused.value.code == code


def test_avro_of_a_schema_that_is_not_known_yet_asks_for_it() -> None:
    for parts, fields in (({"value": AVRO_5}, {}), ({"key": AVRO_5, "value": b"1"}, {"id": "key.id"})):
        with pytest.raises(SchemaNeeded) as needed:
            map_record(mapping(**fields), record(**parts), {})
        assert needed.value.schema_id == 9


def test_a_key_that_nobody_uses_is_not_looked_at() -> None:
    assert map_record(mapping(), record(b"1", key=AVRO_5), {}) is not None


def test_without_a_registry_avro_is_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidEnvelope, match="TASKFACTORY_SCHEMA_REGISTRY_URL"):
        map_record(mapping(), record(AVRO_5))


@pytest.mark.parametrize(("value", "skipped"), [(None, True), (b'{"op": "r"}', True), (b'{"op": "c"}', False)])
def test_a_record_that_is_no_event_is_skipped(value: bytes | None, skipped: bool) -> None:  # noqa: FBT001
    mapped = mapping(skip='value == null || value.op == "r"', id="value.op")
    assert (map_record(mapped, record(value)) is None) == skipped


@pytest.mark.parametrize("fmt", ["structured", "binary"])
def test_a_declared_cloudevent_is_read_as_one_and_not_mapped(fmt: Any) -> None:
    sent = EventEnvelope(id="9", source="/other", type="x", datacontenttype="application/json", data={"n": 1})
    value, headers, _ = encode(sent, fmt)
    assert map_record(mapping(skip="true"), record(value, headers=headers)) == sent


def test_json_that_only_looks_like_an_envelope_is_mapped() -> None:
    value = EventEnvelope(id="9", source="/other", type="x").to_json_dict()
    assert event(mapping(id="value.id + '!'"), record(value)).identity == ("/s", "9!")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(value=json_values)
def test_data_is_the_whole_value_unless_the_mapping_says_otherwise(value: Any) -> None:
    assert repr(event(mapping(), record(value)).data) == repr(value)


@given(
    value=st.none()
    | st.binary(max_size=30)
    | st.binary(max_size=9).map(AVRO_5[:5].__add__)
    | json_values.map(lambda value: json.dumps(value).encode()),
    key=st.none() | st.binary(max_size=9) | st.just(AVRO_5),
    headers=st.lists(st.tuples(st.sampled_from(["h", "ce_id", "content-type"]), st.none() | st.binary(max_size=4))),
    timestamp=st.none() | st.integers(-(2**63), 2**63 - 1),
)
def test_any_record_gives_an_event_or_a_typed_refusal(
    value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes | None]], timestamp: int | None
) -> None:
    mapped = mapping(id="string(key)", subject="headers.h", time="timestamp", data="value.a")
    parts = record(value, key=key, headers=headers, timestamp=timestamp)
    try:
        made = map_record(mapped, parts, SCHEMAS)
    except (MappingFailed, InvalidEnvelope, SchemaNeeded):
        return
    assert made == map_record(mapped, parts, SCHEMAS)
