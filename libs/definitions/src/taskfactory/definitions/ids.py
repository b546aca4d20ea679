"""Identities that everything below a run is derived from; never random, so that doing it twice is doing it once."""

from taskfactory.definitions.dedupe import DedupeKey


def workflow_id(activity_id: str, key: DedupeKey, generation: int = 1) -> str:
    """The run's id, which is its workflow id too; the generation shows from the second on.

    Args:
        activity_id: the definition's UUID.
        key: the dedupe key; with a window, the event's occurrence instead (`Matched.run_key`).
        generation: from 1.
    """
    return run_id_in_generation(f"activity-{activity_id}-{key.event_key}", 1, generation)


def run_id_in_generation(run_id: str, generation: int, wanted: int) -> str:
    """The id that a run of one generation has in another: what `workflow_id` gives for the same key."""
    base = run_id.removesuffix(f"-g{generation}") if generation > 1 else run_id
    return base if wanted == 1 else f"{base}-g{wanted}"


def task_id(run_id: str, name: str, index: int | None = None) -> str:
    """The task's id: its idempotency key for every effect outside. `index` is its position within `foreach`."""
    base = f"{run_id}/{name}"
    return base if index is None else f"{base}/{index}"


def outcome_id(ended_id: str, status: str) -> str:
    """The id of the outcome event that says how the task or run with `ended_id` ended."""
    return f"{ended_id}/{status}"
