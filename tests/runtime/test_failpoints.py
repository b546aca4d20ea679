"""A failpoint kills at the time that it is armed for, and not otherwise."""

import os
import subprocess
import sys

import pytest

from taskfactory.runtime.failpoints import parse_failpoints

REACHED = """
from taskfactory.runtime import failpoint
for number in range(1, 5):
    print(number, flush=True)
    failpoint("here")
    failpoint("elsewhere")
"""


@pytest.mark.parametrize(
    ("armed", "status", "reached"), [("", 0, 4), ("other", 0, 4), ("here", -9, 1), ("here:3", -9, 3), ("here:9", 0, 4)]
)
def test_it_kills_when_it_is_reached_as_often_as_armed(armed: str, status: int, reached: int) -> None:
    env = {**os.environ, "TASKFACTORY_FAILPOINTS": armed}
    done = subprocess.run([sys.executable, "-c", REACHED], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stdout.split())) == (status, reached)


def test_names_and_hits_are_read() -> None:
    assert parse_failpoints("a,b:2,") == {"a": 1, "b": 2}


@pytest.mark.parametrize("text", ["a:0", "a:-1", "a:x", "a:1.5"])
def test_a_hit_that_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a whole number from 1"):
        parse_failpoints(text)
