"""Activity definitions: model, matching, expressions, templates, dedupe keys. Pure."""

from taskfactory.definitions.calendar import next_ticks
from taskfactory.definitions.context_sources import (
    HttpContext,
    PluginContext,
    RemoteSource,
    RunsContext,
    SqlContext,
)
from taskfactory.definitions.context_values import ContextValue, context_scrubber, context_values, remote_sources
from taskfactory.definitions.cron_trigger import CronTrigger, MisfirePolicy, Overlap
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
from taskfactory.definitions.differences import ChangeKind, DocumentChange, diff_documents
from taskfactory.definitions.errors import DefinitionError, InvalidDefinitions
from taskfactory.definitions.explaining import (
    Disabled,
    Explanation,
    FiresBySchedule,
    NotMatched,
    OtherTopics,
    WhenFalse,
    explain,
)
from taskfactory.definitions.filling import RenderFailed, fill
from taskfactory.definitions.http_request import HttpRequest, render_request
from taskfactory.definitions.ids import outcome_id, run_id_in_generation, task_id, workflow_id
from taskfactory.definitions.limits import DocumentLimits, RunLimits
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
from taskfactory.definitions.model import ActivityDefinition, EventTrigger
from taskfactory.definitions.rendering import (
    PlannedRetry,
    PlannedTask,
    RenderedRun,
    planned_retry,
    render_run,
    render_tasks,
)
from taskfactory.definitions.run_input import RUN_WORKFLOW, OpenChild, RunInput, RunKind, RunProgress
from taskfactory.definitions.schedule_spec import CalendarSpec, IntervalSpec, Range, ScheduleSpec, nominal_text
from taskfactory.definitions.tick_decision import (
    GRACE,
    Fire,
    FireAfter,
    Skip,
    SkipReason,
    TickDecision,
    Wait,
)
from taskfactory.definitions.tick_request import (
    SCHEDULE,
    TICK_WORKFLOW,
    TickRequest,
    schedule_id,
    tick_workflow_id,
    tick_workflow_prefix,
)
from taskfactory.definitions.ticks import (
    TICK,
    TICK_EVENT_TYPE,
    Tick,
    TickKind,
    schedule_source,
    tick_event,
    tick_run_input,
)
from taskfactory.definitions.topic_mapping import TopicMapping
from taskfactory.definitions.windows import Duplicate, Opened, Standing, decide_window

__all__ = [
    "GRACE",
    "MASK",
    "RUN_WORKFLOW",
    "SCHEDULE",
    "TICK",
    "TICK_EVENT_TYPE",
    "TICK_WORKFLOW",
    "ActivityDefinition",
    "CalendarSpec",
    "ChangeKind",
    "ContextValue",
    "CronTrigger",
    "DedupeKey",
    "DedupeKeyMissing",
    "DedupeTimeMissing",
    "DefinitionError",
    "DefinitionSet",
    "Disabled",
    "DocumentChange",
    "DocumentLimits",
    "Documents",
    "Duplicate",
    "EvaluationFailed",
    "EventPattern",
    "EventTooDeep",
    "EventTrigger",
    "Explanation",
    "Filtered",
    "Fire",
    "FireAfter",
    "FiresBySchedule",
    "HttpContext",
    "HttpRequest",
    "IntervalSpec",
    "InvalidDefinitions",
    "InvalidPattern",
    "MappingFailed",
    "Matched",
    "MisfirePolicy",
    "Mismatch",
    "NotMatched",
    "OpenChild",
    "Opened",
    "OtherTopics",
    "Overlap",
    "PlannedRetry",
    "PlannedTask",
    "PluginContext",
    "Range",
    "RecordParts",
    "RegisteredDefinition",
    "RemoteSource",
    "RenderFailed",
    "RenderedRun",
    "RunInput",
    "RunKind",
    "RunLimits",
    "RunProgress",
    "RunsContext",
    "ScheduleSpec",
    "Scrubber",
    "Skip",
    "SkipReason",
    "SqlContext",
    "Standing",
    "Tick",
    "TickDecision",
    "TickKind",
    "TickRequest",
    "TopicMapping",
    "Verdict",
    "Wait",
    "WhenFalse",
    "context_scrubber",
    "context_values",
    "decide_window",
    "diff_documents",
    "event_identity",
    "event_moment",
    "event_occurrence",
    "explain",
    "fill",
    "load_definitions",
    "load_documents",
    "map_record",
    "mask",
    "next_ticks",
    "nominal_text",
    "outcome_id",
    "parse_definition",
    "parse_mapping",
    "planned_retry",
    "remote_sources",
    "render_request",
    "render_run",
    "render_tasks",
    "run_id_in_generation",
    "schedule_id",
    "schedule_source",
    "secrets_of",
    "task_id",
    "tick_event",
    "tick_run_input",
    "tick_workflow_id",
    "tick_workflow_prefix",
    "trusted_definition",
    "workflow_id",
]
