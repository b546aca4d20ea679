"""`schemas/avro` is data with examples: every example decodes, every topic names a record that exists."""

import json
from importlib import resources
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from taskfactory.envelope import TYPE_PREFIX, EventEnvelope, Format, Outcome, decode, encode
from taskfactory.envelope.envelope_record import newest

SCHEMAS = Path(__file__).parents[2] / "schemas" / "avro"
EXAMPLES = sorted((SCHEMAS / "examples" / "event_envelope").glob("*.json"))


def test_the_schema_shown_is_the_schema_shipped() -> None:
    shipped = resources.files("taskfactory.envelope") / "schemas" / "event_envelope.avsc"
    assert (SCHEMAS / "event_envelope.avsc").read_bytes() == shipped.read_bytes()


def test_the_record_has_a_field_for_every_attribute_of_the_model() -> None:
    fields = {field["name"] for field in newest()["fields"]}  # type: ignore[call-overload,index]
    assert fields == {*EventEnvelope.model_fields, "extensions"}


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_an_envelope_and_survives_the_wire(path: Path) -> None:
    form = json.loads(path.read_text())
    envelope = EventEnvelope.from_json_dict(form)
    assert envelope.to_json_dict() == form
    lossless: list[Format] = ["structured", "avro"]
    for fmt in lossless:
        assert decode(*encode(envelope, fmt)) == envelope
    assert decode(*encode(envelope, "binary")).data == envelope.data


@pytest.mark.parametrize("name", ["task_completed", "run_failed"])
def test_example_outcomes_have_outcome_data(name: str) -> None:
    path = SCHEMAS / "examples" / "event_envelope" / f"{name}.json"
    envelope = EventEnvelope.from_json_dict(json.loads(path.read_text()))
    assert envelope.type.startswith(TYPE_PREFIX)
    outcome = Outcome.model_validate(envelope.data)
    ended = outcome.run if outcome.task is None else outcome.task
    assert envelope.id == f"{ended.id}/{envelope.type.rpartition('.')[2]}"
    assert envelope.causationid == outcome.trigger.id


def test_every_topic_says_what_travels_on_it() -> None:
    topics = YAML(typ="safe").load((SCHEMAS / "topics.yaml").read_text())["topics"]
    assert {topic["name"] for topic in topics} == {
        "events",
        "taskfactory.outcomes",
        "taskfactory.dlq",
        "taskfactory.decisions",
    }
    for topic in topics:
        assert topic.keys() == {"name", "setting", "record", "key", "producer", "consumer"}
        assert topic["record"] in {"EventEnvelope", None}
