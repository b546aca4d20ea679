"""Which files `apply` reads, and that one error anywhere is enough to refuse all of them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from taskfactory.cli.documents import read_documents
from taskfactory.cli.errors import BadInput
from taskfactory.cli.main import app

GOOD = """\
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: {name}
trigger:
  type: event
  match: {{type: [order.placed]}}
tasks:
  - {{name: reserve, type: activity, handler: reserve_stock, queue: warehouse}}
"""


def write(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("---\n".join(GOOD.format(name=name) for name in names), encoding="utf-8")
    return path


def refused(*sources: object) -> tuple[str, ...]:
    with pytest.raises(BadInput) as error:
        read_documents([str(source) for source in sources])
    return error.value.messages


def test_a_folder_is_searched_in_depth_for_yaml_and_json(tmp_path: Path) -> None:
    write(tmp_path / "b.yml", "second")
    write(tmp_path / "a.yaml", "first", "also-first")
    write(tmp_path / "deep" / "down" / "c.yaml", "third")
    write(tmp_path / "notes.txt", "ignored")
    found = [definition.name for definition in read_documents([str(tmp_path)]).definitions]
    assert found == ["first", "also-first", "second", "third"]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", "first")
    assert len(read_documents([str(tmp_path), str(file), str(file)]).definitions) == 1


def test_every_error_of_every_file_is_listed_with_its_place(tmp_path: Path) -> None:
    first = tmp_path / "first.yaml"
    first.write_text(GOOD.format(name="first").replace("queue: warehouse", "queue: 7, retry: {max_attempts: 0}"))
    second = tmp_path / "second.yaml"
    second.write_text("kind: [\n")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff")
    write(tmp_path / "good.yaml", "good")
    messages = refused(tmp_path)
    assert sum(message.startswith(f"{first}:8:") for message in messages) == 2
    assert any(message.startswith(f"{second}:") for message in messages)
    assert f"{tmp_path / 'latin.yaml'}: not UTF-8 text (byte 6)" in messages


def test_one_name_in_two_files_is_an_error(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.yaml", "same"), write(tmp_path / "b.yaml", "same")
    assert refused(first, second) == (
        f"{second}: name: found 'same', which {first} has too; each name stands for one document",
    )


MAPPING = """\
apiVersion: taskfactory/v1
kind: TopicMapping
topic: rows
id: string(value.id)
source: "'/rows'"
type: "'row.changed'"
"""


def test_definitions_and_mappings_may_share_a_file(tmp_path: Path) -> None:
    file = tmp_path / "both.yaml"
    file.write_text(GOOD.format(name="first") + "---\n" + MAPPING)
    documents = read_documents([str(file)])
    assert [each.name for each in documents.definitions] == ["first"]
    assert [each.topic for each in documents.mappings] == ["rows"]


def test_one_topic_in_two_files_is_an_error(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    for file in (first, second):
        file.write_text(MAPPING)
    assert refused(first, second) == (
        f"{second}: topic: found 'rows', which {first} has too; each topic stands for one document",
    )


def test_nothing_to_apply_is_an_error(tmp_path: Path) -> None:
    assert refused(tmp_path)[0].startswith(f"{tmp_path}: the folder has no ")
    assert refused(tmp_path / "missing.yaml") == (f"{tmp_path / 'missing.yaml'}: No such file or directory",)


def test_a_broken_file_ends_the_command_before_the_database_is_asked(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: x\n")
    shown = CliRunner().invoke(
        app, ["apply", "-f", str(broken)], env={"TASKFACTORY_DATABASE_URL": "postgresql://h:1/x"}
    )
    assert shown.exit_code == 2
    assert all(line.startswith(f"{broken}:") for line in shown.stderr.splitlines())


def test_standard_input_is_a_file_too() -> None:
    shown = CliRunner().invoke(app, ["apply", "-f", "-"], input="name: x\n")
    assert shown.exit_code == 2
    assert shown.stderr.startswith("<stdin>:1:")
