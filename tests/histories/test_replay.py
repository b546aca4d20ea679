"""Recorded runs replay: a change of the workflow that would break runs under way fails here."""

import gzip
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from taskfactory.orchestrator.schedules.workflow import ScheduledTickWorkflow
from taskfactory.orchestrator.workflow import RunActivityWorkflow

HISTORIES = sorted(Path(__file__).parent.glob("*.json*"))


def read(file: Path) -> str:
    return gzip.decompress(file.read_bytes()).decode() if file.suffix == ".gz" else file.read_text()


@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.name.partition(".")[0])
async def test_a_recorded_run_replays(file: Path) -> None:
    replayer = Replayer(
        workflows=[RunActivityWorkflow, ScheduledTickWorkflow],
        workflow_runner=UnsandboxedWorkflowRunner(),
        data_converter=pydantic_data_converter,
    )
    await replayer.replay_workflow(WorkflowHistory.from_json("run", read(file)))


def test_there_is_a_history_for_every_path() -> None:
    names = {file.name.partition(".")[0] for file in HISTORIES}
    assert names >= {
        "one-activity",
        "one-activity-2",
        "every-kind",
        "all-skipped",
        "plan-fails",
        "cancelled",
        "reset",
        "reset-2",
        "continues-as-new",
        "continues-as-new-2",
        "context-fetched",
        "context-fails",
        "context-falls-back",
        "context-cancelled",
        "context-plan-fails",
        "tick-starts",
        "tick-waits",
        "tick-skipped",
    }
