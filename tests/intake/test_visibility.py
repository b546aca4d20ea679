"""How a run is found and read in Temporal."""

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.intake.visibility import (
    details_of,
    search_attributes,
    summary_of,
    task_details_of,
    task_search_attributes,
)
from tests.ingress.fakes import run_input


def test_keyword_attributes_fit_into_every_visibility_store() -> None:
    run = run_input(dedupe_parts=["ü" * 5000, {"nested": [1, None]}], activity_name="a\0b\nc")
    values = {pair.key.name: pair.value for pair in search_attributes(run)}
    assert all(len(str(value).encode()) <= 255 for value in values.values())
    assert values["TaskfactoryActivity"] == "a\ufffdb\ufffdc"
    assert values["TaskfactoryDedupeKey"].startswith("üüü")


def test_the_readable_dedupe_key_shows_strings_as_they_are_and_the_rest_as_json() -> None:
    run = run_input(dedupe_parts=["/shop", 17, {"a": 1}])
    assert {pair.key.name: pair.value for pair in search_attributes(run)}["TaskfactoryDedupeKey"] == '/shop/17/{"a":1}'


def test_a_run_is_found_by_what_it_is_made_of() -> None:
    run = run_input(kind="backfill")
    values = {pair.key.name: pair.value for pair in search_attributes(run)}
    assert values == {
        "TaskfactoryActivity": "order-fulfilment",
        "TaskfactoryActivityId": "0b8f",
        "TaskfactoryVersion": 3,
        "TaskfactoryKind": "backfill",
        "TaskfactoryEventId": "e-1",
        "TaskfactoryEventType": "order",
        "TaskfactoryDedupeKey": "/shop/e-1",
    }
    of_task = {pair.key.name: pair.value for pair in task_search_attributes(run, "pack")}
    assert of_task == {**values, "TaskfactoryTask": "pack"}


def test_the_details_say_all_that_identifies_the_run() -> None:
    run = run_input()
    subject = run.trigger.model_copy(update={"subject": "order-1", "time": "2026-01-01T00:00:00Z"})
    assert details_of(run.model_copy(update={"trigger": subject})) == (
        "- **Activity:** `order-fulfilment` version 3, id `0b8f`\n"
        "- **Started by:** event\n"
        "- **Event:** `order` id `e-1` from `/shop`\n"
        "- **Subject:** `order-1`\n"
        "- **Time:** `2026-01-01T00:00:00Z`\n"
        "- **Record:** topic `events`, partition 0, offset 1\n"
        "- **Dedupe key:** event_id `/shop/e-1`, generation 1"
    )


def test_what_is_not_there_is_left_out() -> None:
    run = run_input(kind="scheduled")
    tick = run.trigger.model_copy(update={"topic": None, "partition": None, "offset": None})
    details = details_of(run.model_copy(update={"trigger": tick}))
    assert "Record" not in details
    assert "**Started by:** scheduled tick" in details


@given(st.text(max_size=2000))
def test_no_text_of_an_event_becomes_markdown_or_exceeds_the_servers_limits(text: str) -> None:
    run = run_input(dedupe_parts=[text], activity_name="a")
    trigger = run.trigger.model_copy(update={"source": text, "id": text, "type": text, "subject": text, "time": text})
    awkward = run.model_copy(update={"trigger": trigger})
    details = task_details_of(awkward, text)
    assert len(details.encode()) < 20_000
    assert len(summary_of(awkward).encode()) <= 398
    for line in details.splitlines():
        # Every line is ours: a name in bold, and the text of others between two backticks.
        assert line.startswith("- **")
        assert line.count("`") % 2 == 0
    assert details.count("`") == 2 * 10
