"""EventEnvelope: what it accepts, what it says, and what it refuses."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from taskfactory.envelope import EventEnvelope, InvalidCode, InvalidEnvelope

LEAST = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "com.shop.order.placed"}


def envelope(**more: Any) -> EventEnvelope:
    return EventEnvelope.from_json_dict({**LEAST, **more})


def refusal(**more: Any) -> InvalidEnvelope:
    with pytest.raises(InvalidEnvelope) as caught:
        envelope(**more)
    return caught.value


def test_source_and_id_are_the_identity() -> None:
    assert envelope(subject="orders/7").identity == ("/shop", "1")


def test_attributes_hold_what_is_set_and_no_data() -> None:
    event = envelope(subject="orders/7", region="eu", express=True, hops=2, data={"total": 3})
    assert event.attributes == {**LEAST, "subject": "orders/7", "region": "eu", "express": True, "hops": 2}
    assert event.data == {"total": 3}


def test_the_json_form_is_read_back_as_it_was() -> None:
    form = {**LEAST, "region": "eu", "data": {"items": [1, 2.5, None, "ü\0"]}}
    assert EventEnvelope.from_json_dict(form).to_json_dict() == form


def test_null_members_are_absent_ones() -> None:
    assert envelope(subject=None, region=None, data=None) == envelope()


def test_an_envelope_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        envelope().id = "2"  # type: ignore[misc]


def test_building_one_by_hand_needs_no_specversion_and_obeys_the_same_rules() -> None:
    assert EventEnvelope(id="1", source="/shop", type="com.shop.order.placed") == envelope()
    with pytest.raises(ValidationError, match="subject"):
        EventEnvelope(id="1", source="/shop", type="t", subject="")


def test_reading_needs_specversion() -> None:
    with pytest.raises(InvalidEnvelope) as caught:
        EventEnvelope.from_json_dict({"id": "1", "source": "/shop", "type": "t"})
    assert (caught.value.code, caught.value.field) == (InvalidCode.MISSING_ATTRIBUTE, "specversion")


@pytest.mark.parametrize("name", ["id", "source", "type"])
def test_a_missing_required_attribute_is_named(name: str) -> None:
    error = refusal(**{name: None})
    assert (error.code, error.field) == (InvalidCode.MISSING_ATTRIBUTE, name)


def test_all_missing_attributes_are_listed() -> None:
    assert "Missing: id, type." in str(refusal(id=None, type=None))


@pytest.mark.parametrize("version", ["0.3", "1.1", 1.0, True, ["1.0"]])
def test_other_versions_are_refused_and_never_relabelled(version: object) -> None:
    assert refusal(specversion=version).code == InvalidCode.UNSUPPORTED_SPECVERSION


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\0", "U+0000"),
        ("\x1f", "U+001F"),
        ("\x7f", "U+007F"),
        ("\x9f", "U+009F"),
        ("\ufdd0", "U+FDD0"),
        ("\ufdef", "U+FDEF"),
        ("\uffff", "U+FFFF"),
        ("\U0001fffe", "U+1FFFE"),
        ("\U0010ffff", "U+10FFFF"),
    ],
)
@pytest.mark.parametrize("attribute", ["id", "subject", "region"])
def test_characters_that_cloudevents_forbids_are_named(attribute: str, character: str, name: str) -> None:
    error = refusal(**{attribute: f"a{character}b"})
    assert (error.code, error.field) == (InvalidCode.INVALID_ATTRIBUTE, attribute)
    assert name in str(error)


@pytest.mark.parametrize("attribute", ["id", "subject", "region"])
def test_half_a_surrogate_pair_is_no_character(attribute: str) -> None:
    assert refusal(**{attribute: "a\ud800"}).field == attribute


def test_neighbours_of_forbidden_characters_are_allowed() -> None:
    text = "\x20\x7e\xa0\ufdcf\ufdf0\ufffd\U0001fffd\U0010fffd"
    assert envelope(subject=text, region=text).subject == text


@pytest.mark.parametrize("name", ["Region", "my-key", "my_key", "", "ключ", "a b", "a\0", "data2x_"])
def test_names_of_attributes_are_lower_case_letters_and_digits(name: str) -> None:
    error = refusal(**{name: "x"})
    assert error.code == InvalidCode.INVALID_ATTRIBUTE
    assert error.field is not None
    assert error.field.isprintable()


@pytest.mark.parametrize("value", [1.5, 2**31, -(2**31) - 1, [], {}, b"x"])
def test_extensions_are_strings_booleans_or_integers_of_32_bits(value: object) -> None:
    assert refusal(region=value).field == "region"


@pytest.mark.parametrize("value", [True, False, 2**31 - 1, -(2**31), "", "2147483648"])
def test_extensions_keep_their_type(value: object) -> None:
    kept = envelope(region=value).attributes["region"]
    assert kept == value
    assert type(kept) is type(value)


def test_optional_attributes_are_absent_rather_than_empty() -> None:
    assert "leave it out" in str(refusal(subject=""))


@pytest.mark.parametrize(("hops", "count"), [(0, 0), (7, 7), ("7", 7), (2**31 - 1, 2**31 - 1)])
def test_hops_count_and_may_come_as_text_through_gateways(hops: object, count: int) -> None:
    assert envelope(hops=hops).hops == count


@pytest.mark.parametrize("hops", [-1, "-1", "x", "", 1.0, True, 2**31, "9" * 5000])
def test_hops_are_whole_numbers_from_zero(hops: object) -> None:
    assert refusal(hops=hops).field == "hops"


@pytest.mark.parametrize(
    ("time", "moment"),
    [
        ("2026-11-03T09:12:44Z", datetime(2026, 11, 3, 9, 12, 44, tzinfo=UTC)),
        ("2026-11-03t09:12:44.5z", datetime(2026, 11, 3, 9, 12, 44, 500_000, tzinfo=UTC)),
        ("2026-11-03T09:12:44.123456789+02:00", datetime(2026, 11, 3, 7, 12, 44, 123_456, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_time_is_understood_and_kept_as_written(time: str, moment: datetime) -> None:
    event = envelope(time=time)
    assert event.time == time
    assert event.occurred_at == moment


def test_time_keeps_its_offset() -> None:
    occurred = envelope(time="2018-04-26T14:48:09+02:00").occurred_at
    assert occurred is not None
    assert occurred.utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-03",
        "2026-11-03 09:12:44Z",
        "2026-11-03T09:12:44",
        "2026-02-30T00:00:00Z",
        "2026-11-03T24:00:00Z",
        "2026-11-03T09:12:44+25:00",
        "9999-12-31T23:59:60Z",
        "٢٠٢٦-11-03T09:12:44Z",  # digits, but not ASCII ones
        "1762161164",
    ],
)
def test_time_that_is_no_rfc_3339_timestamp_is_refused(time: str) -> None:
    assert refusal(time=time).field == "time"


def test_data_is_sent_once() -> None:
    error = refusal(data={}, data_base64="e30=")
    assert error.code == InvalidCode.INVALID_DATA


@pytest.mark.parametrize("text", ["%%%", "YQ", "YQ==\n", "é", 7, []])
def test_base64_is_read_strictly(text: object) -> None:
    assert refusal(datacontenttype="application/pdf", data_base64=text).field == "data_base64"


def test_base64_of_json_text_is_the_json_value() -> None:
    assert envelope(datacontenttype="application/json", data_base64="eyJhIjoxfQ==") == envelope(
        datacontenttype="application/json", data={"a": 1}
    )


def test_base64_of_text_is_the_text_unless_it_is_not_utf_8() -> None:
    assert envelope(datacontenttype="text/plain", data_base64="w7w=").data == "ü"
    assert envelope(datacontenttype="text/plain", data_base64="/w==").data == b"\xff"
    assert envelope(datacontenttype="text/plain; charset=iso-8859-1", data_base64="w7w=").data == b"\xc3\xbc"


def test_a_json_value_under_another_content_type_is_refused() -> None:
    error = refusal(datacontenttype="text/plain", data={"a": 1})
    assert error.code == InvalidCode.INVALID_DATA
    assert "set datacontenttype to application/json" in str(error)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"order": {"id": 2**63}}, "data.order.id is 9223372036854775808"),
        ([1, [-(2**63) - 1]], "data[1][0] is -9223372036854775809"),
        ({"x": float("inf")}, "data.x is inf"),
        ({"x": float("nan")}, "data.x is nan"),
        ({"a b": {1: 2}}, "data['a b'][1] is a name of type int"),
        ({"x": "\ud800"}, "data.x holds half of a surrogate pair"),
        ({"x": datetime(2026, 1, 1, tzinfo=UTC)}, "data.x is a datetime"),
        ((1, 2), "data is a tuple"),
    ],
)
def test_data_that_json_cannot_carry_exactly_is_refused_with_its_place(data: object, place: str) -> None:
    error = refusal(data=data)
    assert (error.code, error.field) == (InvalidCode.INVALID_DATA, "data")
    assert place in str(error)


def test_data_may_nest_a_hundred_levels() -> None:
    nested: list[Any] = []
    for _ in range(99):
        nested = [nested]
    assert envelope(data=nested).data == nested
    assert "deeper than 100" in str(refusal(data=[nested]))


def test_data_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert refusal(data=loop).code == InvalidCode.INVALID_DATA


def test_the_largest_integers_are_kept_exactly() -> None:
    data = [2**63 - 1, -(2**63), 2**53 + 1]
    assert json.loads(json.dumps(envelope(data=data).to_json_dict()))["data"] == data
