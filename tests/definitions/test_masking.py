"""Secrets are masked at their paths and scrubbed wherever they went as they were."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions import MASK, Scrubber, mask, secrets_of

VALUE = {"name": "Ada", "token": "s3cret-token", "cards": [{"number": 4711_0815, "kind": "v"}, {"number": "0815-4711"}]}


@pytest.mark.parametrize(
    ("paths", "masked"),
    [
        (["token"], {**VALUE, "token": MASK}),
        (["cards.*.number"], {**VALUE, "cards": [{"number": MASK, "kind": "v"}, {"number": MASK}]}),
        (["cards.1"], {**VALUE, "cards": [VALUE["cards"][0], MASK]}),
        (["$"], MASK),
        (["name.first", "nothing"], VALUE),
    ],
)
def test_what_a_path_leads_to_is_masked(paths: list[str], masked: Any) -> None:
    assert mask(VALUE, paths) == masked


def test_a_secret_is_scrubbed_alone_within_text_as_a_number_and_as_a_key() -> None:
    scrubber = Scrubber(secrets_of(VALUE, ["token", "cards.*.number"]))
    shown = scrubber.scrub(
        {"auth": "Bearer s3cret-token", "s3cret-token": 1, "n": [4711_0815, "no 47110815!", True], "name": "Ada"}
    )
    assert shown == {"auth": f"Bearer {MASK}", MASK: 1, "n": [MASK, f"no {MASK}!", True], "name": "Ada"}


def test_a_short_secret_is_found_alone_and_not_within_texts() -> None:
    assert Scrubber(["123"]).scrub(["123", "a 123 b"]) == [MASK, "a 123 b"]


def test_of_secrets_that_contain_each_other_the_longer_goes_first() -> None:
    assert Scrubber(["secret", "secret-key"]).text("a secret-key b") == f"a {MASK} b"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(min_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.text(st.characters(categories=("L", "N")), min_size=6), json_values)
def test_no_secret_text_is_left_in_what_is_shown(secret: str, value: Any) -> None:
    shown = Scrubber(secrets_of({"token": secret}, ["token"])).scrub({"a": value, "b": [f"x{secret}y", secret]})
    assert secret not in json.dumps(shown, ensure_ascii=False)
