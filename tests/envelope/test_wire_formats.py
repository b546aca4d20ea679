"""What records look like on the wire, and that detection needs no configuration."""

import pytest
from fastavro.schema import fingerprint

from taskfactory.envelope import EventEnvelope, InvalidCode, InvalidEnvelope, decode, encode

STRUCTURED = [("content-type", b"application/cloudevents+json")]
ENVELOPE = EventEnvelope(id="1", source="/shop", type="com.shop.order.placed", data={"total": 3})
JSON = b'{"specversion":"1.0","id":"1","source":"/shop","type":"com.shop.order.placed","data":{"total":3}}'
CE = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/shop"), ("ce_type", b"com.shop.order.placed")]


def refusal(value: bytes | None, headers: list[tuple[str, bytes | None]] | list[tuple[str, bytes]]) -> InvalidEnvelope:
    with pytest.raises(InvalidEnvelope) as caught:
        decode(value, headers)
    return caught.value


def test_structured_is_one_json_object() -> None:
    record = encode(ENVELOPE)
    assert record.value == JSON
    assert record.headers == STRUCTURED
    assert decode(JSON, STRUCTURED) == ENVELOPE


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents+json; charset=UTF-8",
        b'Application/CloudEvents+JSON;charset="utf-8"',
        b" application/cloudevents+json ",
    ],
)
def test_structured_is_recognised_with_parameters_and_in_any_case(content_type: bytes) -> None:
    assert decode(JSON, [("Content-Type", content_type)]) == ENVELOPE


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents",
        b"application/cloudevents+avro",
        b"application/cloudevents-batch+json",
        b"application/cloudevents+json; charset=utf-16",
    ],
)
def test_other_cloudevents_formats_are_named_as_unsupported(content_type: bytes) -> None:
    assert refusal(JSON, [("content-type", content_type)]).code == InvalidCode.UNSUPPORTED_FORMAT


def test_a_declared_format_wins_over_attribute_headers() -> None:
    assert decode(JSON, [("ce_id", b"other"), *STRUCTURED]).id == "1"


def test_an_envelope_without_any_header_is_read_as_json() -> None:
    assert decode(b" \n" + JSON, []) == ENVELOPE


def test_an_envelope_that_is_declared_as_plain_json_is_not_guessed_at() -> None:
    error = refusal(JSON, [("content-type", b"application/json")])
    assert error.code == InvalidCode.NOT_AN_ENVELOPE
    assert "application/cloudevents+json" in str(error)


@pytest.mark.parametrize("value", [None, b"", b"hello", b"{}", b"[]", b'{"order": 7}', b"\xff\xfe"])
def test_what_no_codec_recognises_is_no_envelope(value: bytes | None) -> None:
    assert refusal(value, []).code == InvalidCode.NOT_AN_ENVELOPE


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, InvalidCode.NOT_AN_ENVELOPE),
        (b"[]", InvalidCode.NOT_AN_ENVELOPE),
        (b"null", InvalidCode.NOT_AN_ENVELOPE),
        (b"", InvalidCode.MALFORMED_JSON),
        (JSON[:-1], InvalidCode.MALFORMED_JSON),
        (JSON + b"x", InvalidCode.MALFORMED_JSON),
        (JSON.replace(b"3", b"NaN"), InvalidCode.MALFORMED_JSON),
        (JSON.replace(b"shop", b"\xff"), InvalidCode.MALFORMED_JSON),
        (JSON.replace(b"3", b"[" * 300 + b"]" * 300), InvalidCode.MALFORMED_JSON),
        (JSON.replace(b"3", b"1e400"), InvalidCode.INVALID_DATA),
        (JSON.replace(b"3", b"9223372036854775808"), InvalidCode.INVALID_DATA),
    ],
)
def test_broken_structured_records_have_a_code(value: bytes | None, code: InvalidCode) -> None:
    assert refusal(value, STRUCTURED).code == code


@pytest.mark.parametrize("escape", [rb'"\ud800"', rb'"\udc00"', rb'"\ud800A"'])
def test_half_a_surrogate_pair_is_refused_in_every_mode(escape: bytes) -> None:
    assert "RFC 7493" in str(refusal(JSON.replace(b"3", escape), STRUCTURED))
    assert "RFC 7493" in str(refusal(escape, [*CE, ("content-type", b"application/json")]))


def test_nul_inside_data_survives_every_format() -> None:
    envelope = EventEnvelope(id="1", source="/shop", type="t", datacontenttype="application/json", data={"a\0": "\0"})
    for record in (encode(envelope), encode(envelope, "binary"), encode(envelope, "avro")):
        assert decode(*record).data == {"a\0": "\0"}


def test_of_repeated_members_the_last_one_counts() -> None:
    assert decode(JSON.replace(b'"id":"1"', b'"id":"0","id":"1"'), STRUCTURED) == ENVELOPE


def test_binary_mode_keeps_attributes_in_headers_and_data_in_the_value() -> None:
    record = encode(ENVELOPE, "binary")
    assert record.headers == [*CE, ("content-type", b"application/json")]
    assert record.value == b'{"total":3}'


def test_binary_headers_are_utf_8_without_percent_decoding() -> None:
    assert decode(None, [*CE, ("ce_subject", "Grüße 100%25".encode())]).subject == "Grüße 100%25"


def test_binary_headers_are_matched_in_any_case() -> None:
    assert decode(None, [(name.upper(), value) for name, value in CE]) == decode(None, CE)


def test_binary_extensions_come_back_as_their_canonical_strings() -> None:
    envelope = EventEnvelope.from_attributes({**ENVELOPE.attributes, "express": True, "copies": -2, "hops": 3})
    received = decode(*encode(envelope, "binary"))
    assert received.attributes == {**ENVELOPE.attributes, "express": "true", "copies": "-2", "hops": 3}


def test_a_header_without_value_is_an_absent_attribute() -> None:
    assert decode(None, [*CE, ("ce_subject", None), ("content-type", None)]) == decode(None, CE)


def test_an_attribute_may_be_repeated_but_not_contradicted() -> None:
    assert decode(None, [*CE, ("ce_id", b"1")]) == decode(None, CE)
    error = refusal(None, [*CE, ("CE_ID", b"2")])
    assert (error.code, error.field) == (InvalidCode.INVALID_ATTRIBUTE, "id")


def test_one_attribute_header_is_enough_to_say_what_is_missing() -> None:
    error = refusal(b"{}", [("ce_id", b"1")])
    assert (error.code, error.field) == (InvalidCode.MISSING_ATTRIBUTE, "specversion")


@pytest.mark.parametrize(
    ("header", "field"), [("ce_subject", "subject"), ("ce_", "''"), ("ce_data", "data"), ("ce_Ümlaut", "'\\xfcmlaut'")]
)
def test_broken_headers_are_named(header: str, field: str) -> None:
    error = refusal(None, [*CE, (header, b"\xff" if header == "ce_subject" else b"x")])
    assert (error.code, error.field) == (InvalidCode.INVALID_ATTRIBUTE, field)


@pytest.mark.parametrize(
    ("content_type", "value", "data"),
    [
        (None, b'{"a":1}', {"a": 1}),
        (None, b"\x08\x01", b"\x08\x01"),
        ("application/json", b"not json", b"not json"),
        ("application/vnd.shop+json; v=2", b"[1]", [1]),
        ("text/json", b"null", None),
        ("text/plain", "ü".encode(), "ü"),
        ("text/plain", b"", ""),
        ("text/plain; charset=iso-8859-1", b"\xfc", b"\xfc"),
        ("application/xml", b"<a/>", b"<a/>"),
        ("application/octet-stream", b"", b""),
        ("application/json", b"", None),
    ],
)
def test_the_content_type_decides_what_binary_data_is(content_type: str | None, value: bytes, data: object) -> None:
    headers = [*CE] if content_type is None else [*CE, ("content-type", content_type.encode())]
    assert decode(value, headers).data == data


def test_avro_begins_with_the_marker_and_the_little_endian_fingerprint() -> None:
    value = encode(ENVELOPE, "avro").value
    assert value is not None
    assert value[:10].hex() == "c301" + "3a9458196e15716c"
    assert decode(value, []) == ENVELOPE


def test_the_fingerprint_is_the_one_that_other_languages_compute() -> None:
    # Avro's own single-object test message for the schema "int" begins with these bytes.
    assert fingerprint('"int"', "CRC-64-AVRO") == "8f5c393f1ad57572"


@pytest.mark.parametrize("cut", [2, 9])
def test_avro_of_another_schema_is_named(cut: int) -> None:
    value = encode(ENVELOPE, "avro").value
    assert value is not None
    assert refusal(value[:cut], []).code == InvalidCode.UNKNOWN_SCHEMA
    error = refusal(b"\xc3\x01" + bytes(range(8)) + value[10:], [])
    assert error.code == InvalidCode.UNKNOWN_SCHEMA
    assert "0001020304050607" in str(error)


@pytest.mark.parametrize("change", [lambda value: value[:10], lambda value: value[:-1], lambda value: value + b"\0"])
def test_broken_avro_has_a_code(change) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - a lambda of bytes
    assert refusal(change(encode(ENVELOPE, "avro").value), []).code == InvalidCode.MALFORMED_AVRO


def test_confluents_wire_format_is_recognised_and_refused() -> None:
    error = refusal(b"\0\0\0\0\x07\x02a", [])
    assert error.code == InvalidCode.UNSUPPORTED_FORMAT
    assert "schema id 7" in str(error)


def test_the_key_is_the_given_one_then_partitionkey_then_subject() -> None:
    subject = ENVELOPE.model_copy(update={"subject": "ü/7"})
    both = subject.model_copy(update={"partitionkey": "customer-9"})
    assert encode(ENVELOPE).key is None
    assert encode(subject).key == "ü/7".encode()
    assert encode(both, "avro").key == b"customer-9"
    assert encode(both, "binary", b"\xff").key == b"\xff"


def test_a_record_key_does_not_become_an_attribute() -> None:
    assert decode(JSON, STRUCTURED, b"customer-9").partitionkey is None
