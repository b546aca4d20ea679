"""Which names a worker serves, and what it says about modules that it cannot."""

from pathlib import Path

import pytest

from taskfactory.tasks.discovery import load_handlers
from taskfactory.tasks.errors import HandlersUnusable

HANDLERS = "tests.tasks.sample_handlers"


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def problems(*names: str) -> tuple[str, ...]:
    with pytest.raises(HandlersUnusable) as refused:
        load_handlers(names)
    return refused.value.problems


def test_tasks_workflows_and_temporals_own_activities_are_served() -> None:
    served = {(item.kind, item.name) for item in load_handlers([HANDLERS]).served}
    assert {("task", "reserve_stock"), ("task", "greet"), ("activity", "wrap_up"), ("workflow", "PackParcel")} <= served


def test_a_module_named_twice_or_reexporting_another_adds_nothing(modules: Path) -> None:
    (modules / "reexporting.py").write_text(f"from {HANDLERS} import *")
    once = load_handlers([HANDLERS])
    assert load_handlers([HANDLERS, HANDLERS]).served == once.served
    assert load_handlers([HANDLERS, "reexporting"]).served == once.served


def test_a_module_that_is_not_there_is_told_with_where_it_was_looked_for() -> None:
    (problem,) = problems("nowhere.handlers")
    assert problem.startswith(f"module 'nowhere.handlers' was not found (looked for 'nowhere' in {Path.cwd()}")


def test_an_import_that_fails_inside_the_module_is_told_apart(modules: Path) -> None:
    (modules / "needs_more.py").write_text("import math\nimport nowhere_to_be_found\n")
    (modules / "breaks.py").write_text("\n\nraise ZeroDivisionError('oh')\n")
    (modules / "misspelt.py").write_text("def f(:\n")
    missing, raising, syntax = problems("needs_more", "breaks", "misspelt")
    assert "'needs_more' could not be imported: No module named 'nowhere_to_be_found'" in missing
    assert missing.endswith("needs_more.py:2)")
    assert "ZeroDivisionError: oh" in raising
    assert raising.endswith("breaks.py:3)")
    assert "SyntaxError" in syntax
    assert syntax.endswith("misspelt.py:1)")


def test_a_wrong_handler_is_told_with_its_line(modules: Path) -> None:
    (modules / "wrong_shape.py").write_text("from taskfactory.tasks import task\n@task\ndef f(): ...\n")
    (problem,) = problems("wrong_shape")
    assert "wrong_shape.f cannot be a task handler: it takes no parameters" in problem
    assert problem.endswith("wrong_shape.py:2)")


def test_a_module_without_handlers_is_refused(modules: Path) -> None:
    (modules / "empty_of_handlers.py").write_text("def f(params: dict) -> None: ...\n")
    (problem,) = problems("empty_of_handlers")
    assert "has no handlers: decorate a function with @task" in problem


def test_one_name_for_two_handlers_is_refused(modules: Path) -> None:
    text = "from taskfactory.tasks import task\n@task('same')\ndef f(params: dict) -> None: ...\n"
    (modules / "first_of_two.py").write_text(text)
    (modules / "second_of_two.py").write_text(text)
    (problem,) = problems("first_of_two", "second_of_two")
    assert problem == "the name 'same' is taken twice: by first_of_two.f and by second_of_two.f; rename one"


def test_all_problems_are_told_at_once(modules: Path) -> None:
    (modules / "also_empty.py").write_text("")
    assert len(problems("nowhere.one", "also_empty", HANDLERS)) == 2
