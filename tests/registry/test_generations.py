"""Releases and reruns: which generation they open, and that doing it twice opens one."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine

from taskfactory.definitions import DedupeKey, RunInput, run_id_in_generation, workflow_id
from taskfactory.registry import (
    ByHand,
    DedupeStore,
    DefinitionListener,
    DefinitionStore,
    Evidence,
    KeyNeverSeen,
    NewerRun,
    Release,
    RerunOpened,
    RunEnd,
    RunStore,
    generations,
)
from tests.registry.samples import one_task, owner, run_input
from tests.registry.test_planning import wait_until_blocked_by
from tests.registry.test_windows import ORDER, asking, plan, states

Sql = Callable[..., list[Any]]
ME = ByHand("me", "the flood")


@pytest.fixture
def dedupe(engine: Engine) -> DedupeStore:
    return DedupeStore(engine)


def in_generation(run: RunInput, generation: int) -> RunInput:
    run_id = run_id_in_generation(run.run_id, run.generation, generation)
    return run.model_copy(update={"run_id": run_id, "generation": generation})


def fail(store: RunStore, run: RunInput) -> None:
    plan(store, run)
    store.finish([], [RunEnd(run_id=run.run_id, status="failed")])


@contextmanager
def heard(engine: Engine) -> Iterator[Callable[[], int]]:
    """What a listener hears; calling it waits for the next revision."""
    stop = threading.Event()
    revisions = DefinitionListener(engine, poll_interval=300).revisions(stop)
    next(revisions)
    try:
        yield lambda: next(revisions)
    finally:
        stop.set()
        list(revisions)


def test_a_run_keeps_its_key_in_every_generation() -> None:
    first = workflow_id("a", ORDER)
    assert run_id_in_generation(first, 1, 3) == workflow_id("a", ORDER, 3)
    assert run_id_in_generation(workflow_id("a", ORDER, 3), 3, 1) == first


def test_a_released_key_fires_once_more_and_ingress_is_told(
    store: RunStore, engine: Engine, dedupe: DedupeStore, definitions: DefinitionStore, activity_id: str
) -> None:
    first, second = (run_input(event_id, activity_id=activity_id, key=ORDER) for event_id in ("e-1", "e-2"))
    plan(store, first)
    before = definitions.revision()
    with heard(engine) as next_revision:
        assert dedupe.release(activity_id, ORDER, ME) == Release(2, already=False)
        assert next_revision() > before
    assert definitions.changes(before).released == {(activity_id, ORDER.digest): 2}
    assert definitions.changes(None).released[activity_id, ORDER.digest] == 2
    assert states(plan(store, in_generation(second, 2))) == ["running"]
    third = run_input("e-3", activity_id=activity_id, key=ORDER)
    assert plan(store, in_generation(third, 2))[0].state == "duplicate"


def test_a_revision_knows_the_releases_until_then_and_of_each_key_the_newest_generation(
    store: RunStore, engine: Engine, dedupe: DedupeStore, definitions: DefinitionStore, activity_id: str
) -> None:
    plan(store, run_input("e-1", activity_id=activity_id, key=ORDER))
    revisions = [definitions.revision()]
    for generation in (2, 3):
        dedupe.release(activity_id, ORDER, ME)
        revisions.append(definitions.revision())
        again = run_input(f"e-{generation}", activity_id=activity_id, key=ORDER)
        plan(store, in_generation(again, generation))
    known = [Evidence(engine).changes(None, until).released.get((activity_id, ORDER.digest)) for until in revisions]
    assert known == [None, 2, 3]


def test_a_release_waits_for_one_that_is_under_way_and_finds_it(
    store: RunStore, engine: Engine, dedupe: DedupeStore, activity_id: str, sql: Sql
) -> None:
    plan(store, run_input("e-1", activity_id=activity_id, key=ORDER))
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            assert generations.release(connection, activity_id, ORDER, ME, dry_run=False) == Release(2, already=False)
            second = pool.submit(dedupe.release, activity_id, ORDER, ME)
            wait_until_blocked_by(connection, sql)
        assert second.result(30) == Release(2, already=True)


def test_a_key_released_twice_without_a_run_in_between_is_released_once(
    store: RunStore, dedupe: DedupeStore, definitions: DefinitionStore, activity_id: str
) -> None:
    run = run_input("e-1", activity_id=activity_id, key=ORDER)
    plan(store, run)
    dedupe.release(activity_id, ORDER, ME)
    revision = definitions.revision()
    assert dedupe.release(activity_id, ORDER, ME) == Release(2, already=True)
    assert definitions.revision() == revision
    plan(store, in_generation(run_input("e-2", activity_id=activity_id, key=ORDER), 2))
    assert dedupe.release(activity_id, ORDER, ME) == Release(3, already=False)


def test_releases_that_race_open_one_generation(store: RunStore, dedupe: DedupeStore, activity_id: str) -> None:
    plan(store, run_input("e-1", activity_id=activity_id, key=ORDER))
    with ThreadPoolExecutor(6) as threads:
        releases = list(threads.map(lambda _: dedupe.release(activity_id, ORDER, ME), range(6)))
    assert {release.generation for release in releases} == {2}
    assert [release.already for release in releases].count(False) == 1


def test_a_dry_release_changes_nothing(store: RunStore, dedupe: DedupeStore, activity_id: str, sql: Sql) -> None:
    plan(store, run_input("e-1", activity_id=activity_id, key=ORDER))
    assert dedupe.release(activity_id, ORDER, ME, dry_run=True) == Release(2, already=False)
    assert sql("SELECT 1 FROM dedupe_releases WHERE activity_id = :id", id=activity_id) == []


def test_a_key_that_was_never_seen_is_not_released(dedupe: DedupeStore, activity_id: str) -> None:
    with pytest.raises(KeyNeverSeen):
        dedupe.release(activity_id, ORDER, ME)
    assert dedupe.show(activity_id, ORDER) == []


def test_a_release_of_a_windowed_key_shows_its_windows(store: RunStore, dedupe: DedupeStore, activity_id: str) -> None:
    runs = [asking(f"e-{day}", day, activity_id) for day in (0, 8)]
    plan(store, *runs)
    assert dedupe.release(activity_id, ORDER, ME) == Release(2, already=False)
    first, second = dedupe.show(activity_id, ORDER)
    assert (first.generation, first.windows, first.run_id, first.run_state) == (1, 2, runs[1].run_id, "running")
    assert (second.generation, second.windows, second.opened_by, second.reason) == (2, 0, "me", "the flood")
    within = asking("e-9", 9, activity_id, generation=2)
    assert states(plan(store, within)) == ["running"]
    assert dedupe.release(activity_id, ORDER, ME) == Release(3, already=False)


def test_a_failed_run_is_rerun_in_a_generation_of_its_own_that_ingress_does_not_use(
    store: RunStore, dedupe: DedupeStore, definitions: DefinitionStore, activity_id: str
) -> None:
    run = run_input("e-1", activity_id=activity_id, key=ORDER)
    fail(store, run)
    assert dedupe.open_rerun(run, ME) == RerunOpened(2)
    assert dedupe.open_rerun(run, ME) == RerunOpened(2), "asked again before it has claimed"
    assert (activity_id, ORDER.digest) not in definitions.changes(None).released
    again = in_generation(run, 2)
    assert states(plan(store, again)) == ["running"]
    assert dedupe.open_rerun(run, ME) == NewerRun(again.run_id, "running")
    fail(store, again)
    assert dedupe.open_rerun(run, ME) == NewerRun(again.run_id, "failed")
    assert dedupe.open_rerun(again, ME) == RerunOpened(3)


def test_a_release_beside_a_rerun_that_has_not_claimed_yet_gets_a_generation_of_its_own(
    store: RunStore, dedupe: DedupeStore, activity_id: str
) -> None:
    run = run_input("e-1", activity_id=activity_id, key=ORDER)
    fail(store, run)
    assert dedupe.open_rerun(run, ME) == RerunOpened(2)
    assert dedupe.release(activity_id, ORDER, ME) == Release(3, already=False)
    assert dedupe.open_rerun(run, ME) == RerunOpened(2), "the rerun's id does not move"


def test_failed_runs_of_two_windows_are_both_rerun_in_any_order(
    store: RunStore, dedupe: DedupeStore, activity_id: str
) -> None:
    runs = [asking(f"e-{day}", day, activity_id) for day in (0, 8)]
    for run in runs:
        fail(store, run)
    reruns = []
    for run in reversed(runs):
        opened = dedupe.open_rerun(run, ME)
        assert isinstance(opened, RerunOpened)
        reruns.append(in_generation(run, opened.generation))
    assert [rerun.generation for rerun in reruns] == [2, 3]
    assert states(plan(store, *reruns)) == ["running", "running"]
    assert states(plan(store, asking("e-14", 14, activity_id))) == ["duplicate"], "the newest window is day 8's"
    assert states(plan(store, asking("e-15", 15, activity_id))) == ["running"]


def test_a_rerun_steps_over_generations_that_the_event_had_under_another_strategy(
    store: RunStore, dedupe: DedupeStore, activity_id: str
) -> None:
    run = run_input("e-1", activity_id=activity_id, key=ORDER)
    fail(store, run)
    by_event = run_input("e-1", activity_id=activity_id)
    plan(store, in_generation(by_event, 2))
    assert dedupe.open_rerun(run, ME) == RerunOpened(3)
    assert states(plan(store, in_generation(run, 3))) == ["running"]


def test_reruns_that_race_open_one_generation(store: RunStore, dedupe: DedupeStore, activity_id: str) -> None:
    run = run_input("e-1", activity_id=activity_id, key=DedupeKey("expression", ({"a": [1, None]},)))
    fail(store, run)
    with ThreadPoolExecutor(6) as threads:
        opened = set(threads.map(lambda _: dedupe.open_rerun(run, ME), range(6)))
    assert opened == {RerunOpened(2)}


def test_a_dry_rerun_changes_nothing(store: RunStore, dedupe: DedupeStore, activity_id: str, sql: Sql) -> None:
    run = run_input("e-1", activity_id=activity_id)
    fail(store, run)
    assert dedupe.open_rerun(run, ME, dry_run=True) == RerunOpened(2)
    assert sql("SELECT 1 FROM dedupe_releases WHERE activity_id = :id", id=activity_id) == []
    assert store.plan([run], owner(), one_task)[0].state == "duplicate"
