"""For any event: what was encoded is decoded again. For any bytes: an envelope or InvalidEnvelope, nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.envelope import (
    EventEnvelope,
    Format,
    InvalidEnvelope,
    Record,
    SchemaNeeded,
    decode,
    encode,
    json_text,
    parse_writer_schema,
)
from taskfactory.envelope.avro import header
from taskfactory.envelope.envelope_record import shipped
from taskfactory.envelope.media_type import is_json, is_text

FORMATS: list[Format] = ["structured", "binary", "avro", "confluent"]
SCHEMA_ID = 7
SCHEMAS = {SCHEMA_ID: parse_writer_schema(shipped()[0])}


def written(envelope: EventEnvelope, fmt: Format, key: bytes | None = None) -> Record:
    return encode(envelope, fmt, key, schema_id=SCHEMA_ID if fmt == "confluent" else None)


def _is_noncharacter(character: str) -> bool:
    point = ord(character)
    return 0xFDD0 <= point <= 0xFDEF or point & 0xFFFE == 0xFFFE


json_values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner | st.none(), max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]).filter(lambda c: not _is_noncharacter(c)), min_size=1)
optional_texts = st.none() | texts
content_types = st.sampled_from(
    [
        None,
        "application/json",
        "text/json",
        "application/vnd.shop+json; v=2",
        "text/plain",
        "text/csv; charset=utf-8",
        "text/plain; charset=iso-8859-1",
        "application/xml",
        "application/octet-stream",
        "nonsense",
    ]
)
times = st.none() | st.datetimes().map(lambda moment: moment.isoformat() + "Z")
names = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(lambda name: name not in {*EventEnvelope.model_fields})
extensions = st.dictionaries(names, texts | st.booleans() | st.integers(-(2**31), 2**31 - 1), max_size=3)


@st.composite
def envelopes(draw: st.DrawFn) -> EventEnvelope:
    content_type = draw(content_types)
    data = draw(st.none() | st.binary(max_size=20) | (json_values if is_json(content_type) else st.text(max_size=20)))
    named = {name: draw(optional_texts) for name in ("subject", "dataschema", "traceparent", "partitionkey")}
    attributes: dict[str, Any] = {
        **{name: draw(texts) for name in ("id", "source", "type")},
        **{name: value for name, value in named.items() if value is not None},
        **draw(extensions),
        "specversion": "1.0",
        "time": draw(times),
        "hops": draw(st.none() | st.integers(0, 2**31 - 1)),
        "datacontenttype": content_type,
    }
    return EventEnvelope.from_attributes({k: v for k, v in attributes.items() if v is not None}, data)


def as_headers_can_say(envelope: EventEnvelope) -> EventEnvelope:
    """What binary mode cannot carry: types of extensions, an implied content type, str that is not `text/*`."""
    attributes = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in envelope.attributes.items()
    }
    data = envelope.data
    if data is not None and type(data) is not bytes:
        attributes.setdefault("datacontenttype", "application/json")
    content_type = attributes.get("datacontenttype")
    if type(data) is str and not is_json(content_type) and not is_text(content_type):
        data = data.encode()
    return EventEnvelope.from_attributes(attributes, data)


@pytest.mark.parametrize("fmt", ["structured", "avro", "confluent"])
@given(envelope=envelopes(), key=st.none() | st.binary())
def test_decoding_what_was_encoded_gives_the_same_envelope(
    fmt: Format, envelope: EventEnvelope, key: bytes | None
) -> None:
    received = decode(*written(envelope, fmt, key), SCHEMAS)
    assert received == envelope
    assert repr(received) == repr(envelope)  # 1, 1.0 and True are equal, and not the same JSON


@given(envelope=envelopes(), key=st.none() | st.binary())
def test_binary_mode_gives_the_same_envelope_as_far_as_headers_can_say(
    envelope: EventEnvelope, key: bytes | None
) -> None:
    received = decode(*encode(envelope, "binary", key))
    assert repr(received) == repr(as_headers_can_say(envelope))
    assert decode(*encode(received, "binary", key)) == received


@given(envelope=envelopes())
def test_the_json_form_gives_the_same_envelope(envelope: EventEnvelope) -> None:
    assert repr(EventEnvelope.from_json_dict(envelope.to_json_dict())) == repr(envelope)


def check_never_crashes(value: bytes | None, headers: list[tuple[str, bytes | None]], key: bytes | None) -> None:
    try:
        received = decode(value, headers, key, SCHEMAS)
    except InvalidEnvelope as error:
        assert error.message  # noqa: PT017 - either outcome is fine, and each has its own promise
        str(error).encode()
    except SchemaNeeded as needed:
        assert value is not None
        assert value[:5] == b"\0" + needed.schema_id.to_bytes(4, "big")  # noqa: PT017 - the same
    else:
        assert decode(*encode(received)) == received


content_type_headers = st.sampled_from(
    [b"application/cloudevents+json", b"application/cloudevents+avro", b"application/json", b"text/plain", b"\xff"]
)
header_lists = st.lists(
    st.tuples(st.just("content-type"), content_type_headers)
    | st.tuples(
        st.sampled_from(
            ["ce_specversion", "ce_id", "CE_ID", "ce_source", "ce_type", "ce_time", "ce_hops", "ce_data", "x"]
        )
        | st.text(max_size=4),
        st.none() | st.just(b"1.0") | st.binary(max_size=6),
    ),
    max_size=8,
)


@given(
    value=st.none()
    | st.binary()
    | st.binary().map(b"\xc3\x01".__add__)
    | st.binary().map(header().__add__)
    | st.binary().map(b"\0\0\0\0\x07".__add__),
    headers=header_lists,
    key=st.none() | st.binary(max_size=4),
)
def test_any_bytes_give_an_envelope_or_invalid_envelope(
    value: bytes | None, headers: list[tuple[str, bytes | None]], key: bytes | None
) -> None:
    check_never_crashes(value, headers, key)


@given(envelope=envelopes(), fmt=st.sampled_from(FORMATS), change=st.data())
def test_damaged_records_give_an_envelope_or_invalid_envelope(
    envelope: EventEnvelope, fmt: Format, change: st.DataObject
) -> None:
    record = written(envelope, fmt)
    value = bytearray(record.value or b"")
    start = change.draw(st.integers(0, len(value)))
    end = change.draw(st.integers(start, min(len(value), start + 4)))
    value[start:end] = change.draw(st.binary(max_size=4))
    check_never_crashes(bytes(value), list(record.headers), record.key)


members = st.dictionaries(
    st.sampled_from([*EventEnvelope.model_fields, "data_base64", "region", "Wrong"]),
    json_values | st.none() | st.sampled_from(["1.0", "application/json", "text/plain", "e30="]),
)


@given(members=members)
def test_any_json_object_gives_an_envelope_or_invalid_envelope(members: dict[str, Any]) -> None:
    try:
        received = EventEnvelope.from_json_dict({"specversion": "1.0", "id": "1", "source": "s", "type": "t"} | members)
    except InvalidEnvelope:
        return
    assert EventEnvelope.from_json_dict(received.to_json_dict()) == received


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=12,
    ),
    st.integers(0, 3).map(lambda extra: json_text.MAX_DEPTH - 2 + extra),
    st.booleans(),
)
def test_the_check_of_parsed_values_refuses_what_the_full_check_refuses(
    value: Any,
    depth: int,
    deep: bool,  # noqa: FBT001  drawn
) -> None:
    for level in range(depth if deep else 0):
        value = [value] if level % 2 else {"a": value}

    def complaint(check: Callable[[Any], None]) -> str | None:
        try:
            check(value)
        except json_text.UnfitValue as error:
            return str(error)
        return None

    assert complaint(json_text.check_parsed) == complaint(json_text.check)
