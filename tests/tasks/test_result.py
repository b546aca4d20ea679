"""Results: any JSON value goes back; anything else fails the task at once, and says where."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from taskfactory.tasks import InvalidResult, ResultTooLarge
from taskfactory.tasks.result import RESULT_MAX_BYTES, TEMPORAL_PAYLOAD_MAX_BYTES, json_result
from taskfactory.tasks.worker import WorkerSettings

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner),
    max_leaves=12,
)


class Receipt(BaseModel):
    number: int = Field(serialization_alias="receiptNumber")
    at: datetime


@given(JSON)
def test_a_json_value_comes_back_unchanged(value: Any) -> None:
    assert json_result("h", value, RESULT_MAX_BYTES) == value


@given(JSON)
def test_the_limit_counts_the_bytes_that_travel(value: Any) -> None:
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    json_result("h", value, size + 64)
    if size > 64:
        with pytest.raises(ResultTooLarge):
            json_result("h", value, size - 64)


def test_a_model_becomes_an_object_under_its_own_names() -> None:
    receipt = Receipt(number=7, at=datetime(2026, 11, 23, 9, tzinfo=UTC))
    assert json_result("h", receipt, RESULT_MAX_BYTES) == {"receiptNumber": 7, "at": "2026-11-23T09:00:00Z"}
    assert json_result("h", {"all": [receipt]}, RESULT_MAX_BYTES)["all"][0]["receiptNumber"] == 7


def test_no_result_is_null() -> None:
    assert json_result("h", None, RESULT_MAX_BYTES) is None


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_hold_is_named_by_its_place(number: float) -> None:
    with pytest.raises(InvalidResult, match=r"at result\.prices\[1\]"):
        json_result("price", {"prices": [1.0, number]}, RESULT_MAX_BYTES)


def cyclic() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize("value", [..., {"f": open}, "\ud800", {"\udfff": 1}, cyclic()], ids=repr)
def test_a_value_that_is_not_json_fails_the_task_for_good(value: Any) -> None:
    with pytest.raises(InvalidResult) as refused:
        json_result("h", value, RESULT_MAX_BYTES)
    assert refused.value.non_retryable
    assert refused.value.type == "InvalidResult"


def test_too_large_a_result_is_told_with_both_sizes() -> None:
    with pytest.raises(ResultTooLarge, match=r"1,002 bytes of JSON, allowed are 1,000") as refused:
        json_result("h", "x" * 1000, 1000)
    assert refused.value.non_retryable


def test_without_a_payload_storage_the_limit_stays_below_temporals() -> None:
    large = 64 * 1024 * 1024
    assert WorkerSettings(payload_storage=SecretStr("off")).result_limit < TEMPORAL_PAYLOAD_MAX_BYTES
    assert WorkerSettings(payload_storage=SecretStr("off"), task_result_max_bytes=5000).result_limit == 5000
    assert WorkerSettings(task_result_max_bytes=large).result_limit == large
