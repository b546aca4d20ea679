"""The stack to be broken, one case on it per test, and the seed that everything at random comes from."""

import os
import random
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskfactory.dev.errors import ToolMissingError
from taskfactory.dev.temporal import Temporal
from tests.chaos import own_temporal as own_temporals
from tests.chaos import stack as stacks
from tests.chaos.case import SETTINGS, Case
from tests.chaos.own_temporal import OwnTemporal
from tests.chaos.stack import ChaosStack
from tests.conftest import RunningStack
from tests.e2e.platform import Platform

SEED = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(1_000_000))


def pytest_report_header() -> str:
    return f"chaos seed: {SEED} (the same again: CHAOS_SEED={SEED})"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[misc,assignment,unused-ignore]  # what the inner hooks made
    if report.failed and "chaos_stack" in getattr(item, "fixturenames", ()):
        report.sections.append(
            ("chaos", f"the same again: CHAOS_SEED={SEED} pytest '{item.nodeid.removesuffix('@chaos')}'")
        )
    return report  # type: ignore[return-value,unused-ignore]


@pytest.fixture(scope="session")
def chaos_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosStack]:
    """Kafka, Temporal and PostgreSQL of the fault tests' own, behind proxies; native processes in any case."""
    try:
        stacks.require_tools()
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    with stacks.chaos_stack(tmp_path_factory.mktemp("chaos"), SEED) as chaos:
        yield chaos


@pytest.fixture
def own_temporal(tmp_path: Path) -> Iterator[OwnTemporal]:
    """A Temporal of the test's own, a native process in any case."""
    try:
        Temporal(tmp_path).require()
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    with own_temporals.own_temporal(tmp_path) as temporal:
        yield temporal


@pytest.fixture
def settings() -> dict[str, str]:
    """Settings of the product that a test adds to the usual ones of fault tests."""
    return {}


@pytest.fixture
def case(
    chaos_stack: ChaosStack,
    tmp_path: Path,
    settings: dict[str, str],
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> Iterator[Case]:
    """A platform on the healthy stack, with choices of its own that follow from the seed."""
    rng = random.Random(f"{SEED} {request.node.name}")
    running = RunningStack(chaos_stack.direct)
    platform = Platform(running, tmp_path, settings={**SETTINGS, **settings}, behind=chaos_stack.proxied)
    made = Case(chaos_stack, platform, rng, record_property)
    try:
        yield made
    finally:
        made.close()
