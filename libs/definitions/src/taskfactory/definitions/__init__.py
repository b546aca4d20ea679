"""Activity definitions: model, matching, expressions, templates, dedupe keys. Pure."""

from taskfactory.definitions.context_sources import (
    HttpContext,
    PluginContext,
    RemoteSource,
    RunsContext,
    SqlContext,
)
from taskfactory.definitions.context_values import ContextValue, context_values, remote_sources
from taskfactory.definitions.dedupe import (
    DedupeKey,
    DedupeKeyMissing,
    DedupeTimeMissing,
    event_identity,
    event_moment,
    event_occurrence,
)
from taskfactory.definitions.definition_set import (
    DefinitionSet,
    EvaluationFailed,
    Filtered,
    Matched,
    RegisteredDefinition,
    Verdict,
)
from taskfactory.definitions.errors import DefinitionError, InvalidDefinitions
from taskfactory.definitions.explaining import Disabled, Explanation, NotMatched, OtherTopics, WhenFalse, explain
from taskfactory.definitions.filling import RenderFailed, fill
from taskfactory.definitions.http_request import HttpRequest, render_request
from taskfactory.definitions.ids import outcome_id, run_id_in_generation, task_id, workflow_id
from taskfactory.definitions.loading import (
    Documents,
    load_definitions,
    load_documents,
    parse_definition,
    parse_mapping,
    trusted_definition,
)
from taskfactory.definitions.mapping import MappingFailed, RecordParts, map_record
from taskfactory.definitions.masking import MASK, Scrubber, mask, secrets_of
from taskfactory.definitions.matching.flatten import EventTooDeep
from taskfactory.definitions.matching.pattern import EventPattern, InvalidPattern, Mismatch
from taskfactory.definitions.model import ActivityDefinition
from taskfactory.definitions.rendering import (
    PlannedRetry,
    PlannedTask,
    RenderedRun,
    planned_retry,
    render_run,
    render_tasks,
)
from taskfactory.definitions.run_input import RUN_WORKFLOW, OpenChild, RunInput, RunProgress
from taskfactory.definitions.topic_mapping import TopicMapping
from taskfactory.definitions.windows import Duplicate, Opened, Standing, decide_window

__all__ = [
    "MASK",
    "RUN_WORKFLOW",
    "ActivityDefinition",
    "ContextValue",
    "DedupeKey",
    "DedupeKeyMissing",
    "DedupeTimeMissing",
    "DefinitionError",
    "DefinitionSet",
    "Disabled",
    "Documents",
    "Duplicate",
    "EvaluationFailed",
    "EventPattern",
    "EventTooDeep",
    "Explanation",
    "Filtered",
    "HttpContext",
    "HttpRequest",
    "InvalidDefinitions",
    "InvalidPattern",
    "MappingFailed",
    "Matched",
    "Mismatch",
    "NotMatched",
    "OpenChild",
    "Opened",
    "OtherTopics",
    "PlannedRetry",
    "PlannedTask",
    "PluginContext",
    "RecordParts",
    "RegisteredDefinition",
    "RemoteSource",
    "RenderFailed",
    "RenderedRun",
    "RunInput",
    "RunProgress",
    "RunsContext",
    "Scrubber",
    "SqlContext",
    "Standing",
    "TopicMapping",
    "Verdict",
    "WhenFalse",
    "context_values",
    "decide_window",
    "event_identity",
    "event_moment",
    "event_occurrence",
    "explain",
    "fill",
    "load_definitions",
    "load_documents",
    "map_record",
    "mask",
    "outcome_id",
    "parse_definition",
    "parse_mapping",
    "planned_retry",
    "remote_sources",
    "render_request",
    "render_run",
    "render_tasks",
    "run_id_in_generation",
    "secrets_of",
    "task_id",
    "trusted_definition",
    "workflow_id",
]
