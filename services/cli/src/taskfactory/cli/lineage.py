"""A lineage as people read it: runs, one below the other, with what started each and what each published."""

from collections.abc import Iterator, Mapping
from typing import Any

from taskfactory.cli.cells import moment


def lineage_lines(lineage: Mapping[str, Any], asked: str) -> Iterator[str]:
    """A block for every run; those that led to the others come first.

    Args:
        lineage: the API's answer.
        asked: the id of the run that was asked about, which is marked.
    """
    first = min((run["distance"] for run in lineage["runs"]), default=0)
    for run_id in lineage["gone"]:
        yield f"{run_id}: led here; its row is past its retention"
    for run in lineage["runs"]:
        indent = "  " * (run["distance"] - first)
        mark = "* " if run["run_id"] == asked else ""
        event = run["event"]
        yield f"{indent}{event['type']} {event['id']} of {event['source']}{_place(event)}"
        yield f"{indent}└ {mark}{run['definition']}@{run['version']} {run['state']}  {run['run_id']}"
        yield f"{indent}    started {moment(run['started_at'])}, ended {moment(run['ended_at'])}{_outcome(run)}"
        for task in run["tasks"]:
            yield f"{indent}    {task['state']}  {task['task_id']}{_outcome(task)}"
    if not lineage["complete"]:
        yield "there is more: the lineage reaches farther than is shown"


def _place(event: Mapping[str, Any]) -> str:
    if event.get("topic") is None:
        return ""
    return f", record {event['topic']}/{event.get('partition')}/{event.get('offset')}"


def _outcome(ended: Mapping[str, Any]) -> str:
    outcome = ended["outcome"]
    return "" if outcome is None else f" → outcome {outcome['id']}"
