"""Pages cut here and pages cut by the database are the same."""

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.registry import PageLimit, StoredTask
from taskfactory.registry.task_pages import first_page
from tests.registry.samples import planned_task, run_input

RUN = run_input(activity_id="0b7c2f0e-9a34-4b53-8c2e-111111111111")


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
