"""`taskfactory validate`: what `apply` would say, without any server."""

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from taskfactory.cli.main import app
from tests.cli.test_apply_files import GOOD, MAPPING, write

NOWHERE = {
    "TASKFACTORY_DATABASE_URL": "postgresql://127.0.0.1:1/x",
    "TASKFACTORY_API_URL": "http://127.0.0.1:1",
}


def validate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["validate", *map(str, arguments)], env=NOWHERE)


def test_what_is_valid_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.format(name="first") + "---\n" + MAPPING)
    shown = validate("-f", tmp_path)
    assert (shown.exit_code, shown.stdout) == (0, "valid: 1 definition, 1 topic mapping\n")


def test_the_errors_are_those_of_apply_in_the_same_words(tmp_path: Path) -> None:
    """`apply` has them from the API; here from one that it brings along, which asks no database for them."""
    (tmp_path / "a.yaml").write_text(GOOD.format(name="first").replace("queue: warehouse", "queue: 7"))
    (tmp_path / "b.yaml").write_text("kind: [\n")
    write(tmp_path / "c.yaml", "same")
    write(tmp_path / "d.yaml", "same")
    found = validate("-f", tmp_path)
    nowhere = {"TASKFACTORY_DATABASE_URL": NOWHERE["TASKFACTORY_DATABASE_URL"]}
    applied = CliRunner().invoke(app, ["apply", "-f", str(tmp_path)], env=nowhere)
    assert (applied.exit_code, applied.stderr) == (2, found.stderr)
    assert len(found.stderr.splitlines()) == 3


def test_programs_get_each_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.format(name="first").replace("queue: warehouse", "queue: 7"))
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff")
    shown = validate("-f", tmp_path, "-o", "json")
    told = json.loads(shown.stdout)
    assert (shown.exit_code, told["valid"]) == (2, False)
    second, first = told["errors"]  # what is wrong with a file as a whole comes first
    assert (first["origin"], first["line"], first["path"]) == (str(tmp_path / "a.yaml"), 8, "tasks[0].queue")
    assert (second["line"], "not UTF-8" in second["message"]) == (None, True)
