"""Pages: the longest that fit, counted in bytes, and cut the same way here and by the database."""

import json
from typing import Any
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from taskfactory.definitions import PlannedTask, RunInput
from taskfactory.registry import PageLimit, RunStore, StoredTask
from taskfactory.registry.task_pages import first_page
from tests.registry.samples import owner, planned_task, run_input

RUN = run_input(activity_id="0b7c2f0e-9a34-4b53-8c2e-111111111111")


def test_by_default_a_page_fits_into_a_payload_with_room_to_spare() -> None:
    assert PageLimit() == PageLimit(tasks=100, params_bytes=524_288)


@given(st.lists(st.integers(2, 100), max_size=12), st.integers(1, 5), st.integers(1, 200))
def test_a_first_page_is_the_longest_that_fits(sizes: list[int], tasks: int, params_bytes: int) -> None:
    stored = [
        StoredTask.model_validate({**dict(planned_task(RUN, index=place)), "position": place, "state": "scheduled"})
        for place in range(len(sizes))
    ]
    page = first_page(stored, sizes, PageLimit(tasks=tasks, params_bytes=params_bytes))
    length = len(page.tasks)
    assert page.tasks == stored[:length]
    assert page.next_position == (length if length < len(sizes) else None)
    assert length <= tasks
    assert length <= 1 or sum(sizes[:length]) <= params_bytes
    if page.next_position is not None:
        assert length == tasks or sum(sizes[: length + 1]) > params_bytes
        assert length >= 1


@given(
    texts=st.lists(st.text("aü€🦊\x00\n", max_size=40), min_size=1, max_size=12),
    tasks=st.integers(1, 5),
    params_bytes=st.integers(10, 600),
)
@settings(max_examples=40, deadline=None)
def test_no_page_exceeds_its_bytes_but_for_a_task_that_does_so_alone(
    engine: Engine, texts: list[str], tasks: int, params_bytes: int
) -> None:
    store = RunStore(engine, page=PageLimit(tasks=tasks, params_bytes=params_bytes))
    run, me = run_input(activity_id=str(uuid4())), owner()

    def render(run: RunInput) -> list[PlannedTask]:
        return [planned_task(run, index=place, params={"ü": text}) for place, text in enumerate(texts)]

    (planned,) = store.plan([run], me, render)
    assert store.plan([run], me, render) == [planned]
    pages = [planned.tasks]
    following = planned.next_position
    while following is not None:
        page = store.tasks_page(run.run_id, following)
        pages.append(page.tasks)
        following = page.next_position
    assert [task.params for page in pages for task in page] == [{"ü": text} for text in texts]
    assert all(len(page) <= tasks for page in pages)
    assert all(len(page) == 1 or _utf8([task.params for task in page]) <= params_bytes for page in pages)


def _utf8(values: list[Any]) -> int:
    """Bytes of the values' JSON as a Temporal payload has it."""
    return sum(len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) for value in values)
