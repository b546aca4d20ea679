import pytest

from taskfactory.cli.progress import _lines, progress


def test_without_a_terminal_progress_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    report = _lines("records read", lambda: now)
    for done, at in ((1, 0.0), (2, 4.9), (3000, 5.0), (3001, 5.1), (5000, 10.0)):
        now = at
        report(done, 5000)
    assert capsys.readouterr().err == "3,000 of 5,000 records read\n5,000 of 5,000 records read\n"


def test_progress_never_mixes_with_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("records read") as report:
        report(1, 2)
    assert capsys.readouterr().out == ""
