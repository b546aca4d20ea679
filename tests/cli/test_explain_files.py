"""`taskfactory explain` with files alone: an event, drafts of definitions and of a topic's mapping."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from taskfactory.cli.main import app

DRAFTS = """\
apiVersion: taskfactory/v1
kind: TopicMapping
topic: pay
id: value.payment
source: '"/payments"'
type: '"payment"'
---
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: receipts
trigger: {type: event, topics: [pay], match: {type: [payment]}}
tasks:
  - {name: only, type: activity, handler: handle, queue: work}
"""
PLAIN = {"payment": "p-1", "total": 5}
CLOUDEVENT = {"specversion": "1.0", "id": "c-1", "source": "/shop", "type": "payment"}


def explained(folder: Path, event: bytes, topic: str) -> Any:
    drafts, file = folder / "drafts.yaml", folder / "event.json"
    drafts.write_text(DRAFTS)
    file.write_bytes(event)
    arguments = ["explain", "--event", str(file), "--topic", topic, "-f", str(drafts), "-o", "json"]
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize(
    ("event", "source", "id_"), [(PLAIN, "/payments", "p-1"), (CLOUDEVENT, "/shop", "c-1")], ids=["plain", "cloudevent"]
)
def test_a_file_is_read_as_a_record_of_a_mapped_topic_would_be(
    tmp_path: Path, event: dict[str, Any], source: str, id_: str
) -> None:
    told = explained(tmp_path, json.dumps(event, indent=2).encode(), "pay")
    assert (told["event"]["source"], told["event"]["id"]) == (source, id_)
    assert [(item["name"], item["answer"]) for item in told["definitions"]] == [("receipts", "would_start")]


def test_what_is_no_cloudevent_is_none_on_a_topic_without_a_mapping(tmp_path: Path) -> None:
    assert explained(tmp_path, json.dumps(PLAIN).encode(), "orders")["dead_lettered"]["reason"] == "missing_attribute"


def test_a_broken_cloudevent_is_told_as_such_on_a_mapped_topic_too(tmp_path: Path) -> None:
    assert "dead_lettered" in explained(tmp_path, b'{"specversion": "1.0", "payment": "p-1"}', "pay")


def test_bytes_that_the_mapping_can_not_read_are_a_dead_letter(tmp_path: Path) -> None:
    assert "dead_lettered" in explained(tmp_path, b"no json", "pay")
