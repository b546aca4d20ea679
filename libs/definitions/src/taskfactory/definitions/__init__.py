"""Activity definitions: model, matching, expressions, templates, dedupe keys. Pure."""

from taskfactory.definitions.dedupe import DedupeKey, DedupeKeyMissing, event_identity
from taskfactory.definitions.definition_set import (
    DefinitionSet,
    EvaluationFailed,
    Filtered,
    Matched,
    RegisteredDefinition,
    Verdict,
)
from taskfactory.definitions.errors import DefinitionError, InvalidDefinitions
from taskfactory.definitions.ids import outcome_id, task_id, workflow_id
from taskfactory.definitions.loading import load_definitions, parse_definition, trusted_definition
from taskfactory.definitions.matching.flatten import EventTooDeep
from taskfactory.definitions.matching.pattern import EventPattern, InvalidPattern, Mismatch
from taskfactory.definitions.model import ActivityDefinition
from taskfactory.definitions.rendering import PlannedRetry, PlannedTask, RenderFailed, render_tasks
from taskfactory.definitions.run_input import RUN_WORKFLOW, OpenChild, RunInput, RunProgress

__all__ = [
    "RUN_WORKFLOW",
    "ActivityDefinition",
    "DedupeKey",
    "DedupeKeyMissing",
    "DefinitionError",
    "DefinitionSet",
    "EvaluationFailed",
    "EventPattern",
    "EventTooDeep",
    "Filtered",
    "InvalidDefinitions",
    "InvalidPattern",
    "Matched",
    "Mismatch",
    "OpenChild",
    "PlannedRetry",
    "PlannedTask",
    "RegisteredDefinition",
    "RenderFailed",
    "RunInput",
    "RunProgress",
    "Verdict",
    "event_identity",
    "load_definitions",
    "outcome_id",
    "parse_definition",
    "render_tasks",
    "task_id",
    "trusted_definition",
    "workflow_id",
]
