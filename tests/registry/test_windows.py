"""Keys that fire again after a window: one run for each window, whoever asks, in whatever order and however often."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from taskfactory.definitions import DedupeKey, PlannedTask, RunInput, event_occurrence, workflow_id
from taskfactory.registry import PlannedRun, RunStore
from tests.registry.samples import one_task, owner, run_input

Sql = Callable[..., list[Any]]
ORDER = DedupeKey("subject", ("order-1",))
WEEK = timedelta(days=7).total_seconds()


def asking(
    event_id: str, day: int, activity_id: str, *, key: DedupeKey | None = ORDER, generation: int = 1
) -> RunInput:
    """A run of a definition with a window of a week; its event happened on that day. Without a key: by event id."""
    time = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)).isoformat()
    run = run_input(event_id, activity_id=activity_id, key=key, time=time)
    run_id = workflow_id(activity_id, event_occurrence(run.event), generation)
    return run.model_copy(update={"run_id": run_id, "window": WEEK, "generation": generation})


def never_rendered(run: RunInput) -> list[PlannedTask]:
    raise AssertionError(f"{run.run_id} was rendered")


def plan(store: RunStore, *runs: RunInput) -> list[PlannedRun]:
    return store.plan(runs, owner(), one_task)


def states(planned: list[PlannedRun]) -> list[str]:
    return [run.state for run in planned]


def end_all(sql: Sql, activity_id: str) -> None:
    sql("UPDATE activity_runs SET state = 'completed', ended_at = now() WHERE activity_id = :id", id=activity_id)


def openings(sql: Sql, activity_id: str) -> list[tuple[int, int, int]]:
    """Generation, number and day of each window."""
    rows = sql(
        "SELECT generation, number, opened_at FROM dedupe_windows WHERE activity_id = :id ORDER BY 1, 2", id=activity_id
    )
    return [(generation, number, (at - datetime(2026, 1, 1, tzinfo=UTC)).days) for generation, number, at in rows]


def test_a_key_fires_once_in_each_window_of_the_events_time(store: RunStore, activity_id: str, sql: Sql) -> None:
    first, within, after, late = (
        asking(event_id, day, activity_id) for event_id, day in (("a", 0), ("b", 6), ("c", 7), ("d", 5))
    )
    assert states(plan(store, first)) == ["running"]
    assert [(run.state, run.duplicate_of) for run in plan(store, within)] == [("duplicate", first.run_id)]
    assert states(plan(store, after)) == ["running"]
    assert [(run.state, run.duplicate_of) for run in plan(store, late)] == [("duplicate", first.run_id)]
    assert openings(sql, activity_id) == [(1, 1, 0), (1, 2, 7)]


def test_one_call_decides_in_the_order_of_its_list(store: RunStore, activity_id: str, sql: Sql) -> None:
    days = (3, 0, 9, 10, 17, 16)
    runs = [asking(f"e-{day}", day, activity_id) for day in days]
    other = asking("other", 1, activity_id, key=DedupeKey("subject", ("order-2",)))
    me = owner()
    planned = store.plan([*runs, other], me, one_task)
    assert states(planned) == ["running", "duplicate", "duplicate", "running", "running", "duplicate", "running"]
    assert sorted(day for *_, day in openings(sql, activity_id)) == [1, 3, 10, 17]
    assert store.plan([*runs, other], me, never_rendered) == planned, "a repeated call is given the same"


def test_one_call_and_one_at_a_time_open_the_same_windows(store: RunStore, activity_id: str) -> None:
    days = (3, 0, 9, 10, 17, 16, 40, 39, 47)
    other = "00000000-0000-0000-0000-" + activity_id[-12:]
    together = plan(store, *(asking(f"e-{day}", day, activity_id) for day in days))
    apart = [plan(store, asking(f"e-{day}", day, other))[0] for day in days]
    assert states(together) == states(apart)


@pytest.mark.parametrize("key", [ORDER, None], ids=["subject", "event_id"])
def test_a_replay_of_any_prefix_by_other_owners_starts_nothing(
    store: RunStore, activity_id: str, sql: Sql, key: DedupeKey | None
) -> None:
    days = (0, 3, 8, 20, 21, 27)
    runs = [asking("same" if key is None else f"e-{day}", day, activity_id, key=key) for day in days]
    first = [plan(store, run)[0] for run in runs]
    assert states(first) == ["running", "duplicate", "running", "running", "duplicate", "running"]
    end_all(sql, activity_id)
    before = openings(sql, activity_id)
    for end in range(1, len(runs) + 1):
        assert set(states(store.plan(runs[:end], owner(), never_rendered))) == {"duplicate"}
    assert openings(sql, activity_id) == before


def test_events_a_window_apart_all_run_in_whatever_order_they_come(store: RunStore, activity_id: str) -> None:
    days = (20, 0, 40, 8, 30)
    runs = [asking(f"e-{day}", day, activity_id) for day in days]
    assert states([plan(store, run)[0] for run in runs[:3]]) == ["running"] * 3
    assert states(plan(store, *runs[3:])) == ["running"] * 2
    late = asking("late", 14, activity_id)
    assert [(run.state, run.duplicate_of) for run in plan(store, late)] == [("duplicate", runs[3].run_id)]


def test_the_same_event_id_comes_again_after_its_window_with_a_later_time(
    store: RunStore, activity_id: str, sql: Sql
) -> None:
    first, within, again = (asking("same", day, activity_id, key=None) for day in (0, 1, 8))
    assert len({run.run_id for run in (first, within, again)}) == 3
    assert states(plan(store, first, within, again)) == ["running", "duplicate", "running"]
    assert plan(store, within)[0].duplicate_of == first.run_id


def test_an_event_that_ran_before_its_id_had_a_window_does_not_run_again(
    store: RunStore, activity_id: str, sql: Sql
) -> None:
    forever = run_input("same", activity_id=activity_id, time="2026-01-01T00:00:00Z")
    plan(store, forever)
    replayed, within, later = (asking("same", day, activity_id, key=None) for day in (0, 6, 8))
    assert [(run.state, run.duplicate_of) for run in plan(store, replayed)] == [("duplicate", forever.run_id)]
    assert states(plan(store, within, later)) == ["duplicate", "running"]


def test_nothing_from_before_an_id_had_windows_runs_again_whatever_is_replayed_first(
    store: RunStore, activity_id: str
) -> None:
    plan(store, run_input("same", activity_id=activity_id, time="2026-01-01T00:00:00Z"))
    newer, older, newest = (asking("same", day, activity_id, key=None) for day in (8, 0, 15))
    assert states([plan(store, run)[0] for run in (newer, older, newest)]) == ["duplicate", "duplicate", "running"]


def test_an_event_of_a_window_does_not_run_again_when_the_strategy_changes(
    store: RunStore, activity_id: str, sql: Sql
) -> None:
    by_id, by_subject = asking("e-1", 0, activity_id, key=None), asking("e-1", 0, activity_id)
    forever = run_input("e-1", activity_id=activity_id)
    assert states(plan(store, by_id)) == ["running"]
    end_all(sql, activity_id)
    assert by_id.run_id == by_subject.run_id, "Temporal refuses the second one before the ledger does"
    assert states(store.plan([by_subject, forever], owner(), never_rendered)) == ["duplicate", "duplicate"]


def test_a_generation_opens_afresh_and_a_replay_of_history_fires_it_once(
    store: RunStore, activity_id: str, sql: Sql
) -> None:
    days = (0, 8, 20)
    plan(store, *(asking(f"e-{day}", day, activity_id) for day in days))
    released = [asking(f"e-{day}", day, activity_id, generation=2) for day in days]
    assert states([plan(store, run)[0] for run in released]) == ["running", "duplicate", "duplicate"]
    assert states(plan(store, asking("e-26", 26, activity_id, generation=2))) == ["duplicate"]
    assert states(plan(store, asking("e-27", 27, activity_id, generation=2))) == ["running"]
    stale = asking("e-33", 33, activity_id)
    assert states(plan(store, stale)) == ["duplicate"], "an ingress that has not heard of the release"
    assert openings(sql, activity_id) == [(1, 1, 0), (1, 2, 8), (1, 3, 20), (2, 1, 0), (2, 2, 27)]


def test_of_owners_that_race_for_windows_each_window_has_one_run(store: RunStore, activity_id: str, sql: Sql) -> None:
    """Six writers, each with its own events of eight keys over five weeks, in different orders."""
    writers, keys, days = 6, 8, (0, 1, 7, 8, 14, 21, 22, 30)
    together = threading.Barrier(writers)

    def race(writer: int) -> list[PlannedRun]:
        runs = [
            asking(f"w{writer}-k{key}-d{day}", day, activity_id, key=DedupeKey("subject", (f"key-{key}",)))
            for day in days
            for key in range(keys)
        ]
        together.wait()
        chunks = [runs[start : start + 16] for start in range(0, len(runs), 16)]
        return [planned for chunk in (chunks if writer % 2 else chunks[::-1]) for planned in plan(store, *chunk)]

    with ThreadPoolExecutor(writers) as threads:
        results = [planned for part in threads.map(race, range(writers)) for planned in part]
    rows = sql("SELECT digest, number, opened_at, run_id FROM dedupe_windows WHERE activity_id = :id", id=activity_id)
    assert {run_id for *_, run_id in rows} == {planned.run_id for planned in results if planned.state == "running"}
    by_key: dict[bytes, list[tuple[int, datetime]]] = {}
    for digest, number, opened_at, _ in rows:
        by_key.setdefault(bytes(digest), []).append((number, opened_at))
    assert len(by_key) == keys
    for windows in by_key.values():
        assert sorted(number for number, _ in windows) == list(range(1, len(windows) + 1))
        times = sorted(opened_at for _, opened_at in windows)
        assert all(later - earlier >= timedelta(days=7) for earlier, later in pairwise(times))


def test_a_claim_with_a_window_lost_before_its_acknowledgement_is_given_again(
    store: RunStore, activity_id: str
) -> None:
    run, me = asking("e-1", 0, activity_id), owner()
    first = store.plan([run], me, one_task)
    assert store.plan([run], me, never_rendered) == first
    assert states(store.plan([run], owner(), never_rendered)) == ["running"], "an open run is taken over"


def test_an_event_without_time_is_refused_before_anything_is_claimed(
    store: RunStore, activity_id: str, sql: Sql
) -> None:
    run = run_input("e-1", activity_id=activity_id).model_copy(update={"window": WEEK})
    with pytest.raises(ValueError, match="the event has none"):
        plan(store, run)
    assert sql("SELECT 1 FROM dedupe_ledger WHERE activity_id = :id", id=activity_id) == []
