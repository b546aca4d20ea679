"""Definitions, the dedupe ledger, runs and tasks in PostgreSQL.

Read first: `run_model` (what goes in and out), `planning` (claim and plan), `finishing` (ends), `run_store` (the door).
"""

from taskfactory.registry.activations import Activation, DefinitionChanges
from taskfactory.registry.api_keys import ApiKey, ApiKeys, FoundKey, IssuedKey, NameTaken, UnknownKeys, WantedKey
from taskfactory.registry.applied import Action, Applied
from taskfactory.registry.audit_trail import AuditEntry, AuditFilter, AuditLine, AuditTrail
from taskfactory.registry.claims import LedgerKey
from taskfactory.registry.context_rows import ContextState, StoredContext
from taskfactory.registry.dead_letter_resolutions import DeadLetterResolutions, Resolution, ResolutionKind
from taskfactory.registry.dedupe_store import DedupeStore
from taskfactory.registry.definition_errors import (
    DuplicateNames,
    NoShadow,
    NoShadowMappings,
    UnknownDefinition,
    UnknownNames,
    UnknownVersion,
    VersionConflict,
)
from taskfactory.registry.definition_lifecycle import Expected
from taskfactory.registry.definition_listener import DefinitionListener
from taskfactory.registry.definition_rows import DefinitionRow, DefinitionVersion
from taskfactory.registry.definition_store import DefinitionStore
from taskfactory.registry.earlier_runs import EarlierRuns, ResultsTooLarge
from taskfactory.registry.engine import open_engine
from taskfactory.registry.evidence import ClaimKeys, Evidence, RunFact, claim_keys
from taskfactory.registry.finishing import UnknownIds
from taskfactory.registry.generations import ByHand, GenerationRow, KeyNeverSeen, NewerRun, Release, RerunOpened
from taskfactory.registry.idempotency_keys import Claim, IdempotencyKeys, InProgress, KeyReused, StoredAnswer
from taskfactory.registry.ingress_revisions import IngressRevision, IngressRevisions
from taskfactory.registry.lineage import Cause, Lineage, LineageBounds, LineageRun, LineageTask, OutcomeRef
from taskfactory.registry.listing import RunRow, ShownTaskState, TaskRow
from taskfactory.registry.partitions import drop_expired, ensure_partitions
from taskfactory.registry.past_runs import PastRun, RunSelection
from taskfactory.registry.present import DefinitionState
from taskfactory.registry.reconciling import ClaimedRun, Lead, OpenRun, RunCursor
from taskfactory.registry.revisions import next_revision
from taskfactory.registry.run_context import RunContextStore, ShownContext
from taskfactory.registry.run_details import RerunLink, RunDetail
from taskfactory.registry.run_end import OpenTasks
from taskfactory.registry.run_model import (
    AwaitsContext,
    EndedRun,
    EndedTask,
    EventAttributes,
    Finished,
    OutcomesConfig,
    PlannedRun,
    RunContext,
    RunEnd,
    RunState,
    SourceToFetch,
    StoredTask,
    TaskEnd,
    TaskPage,
    TaskState,
)
from taskfactory.registry.run_pages import RunFilter, RunKind, RunPlace, TaskFilter, TaskPlace
from taskfactory.registry.run_reader import RunReader
from taskfactory.registry.run_store import RunStore
from taskfactory.registry.schedule_states import ScheduleChanges, Scheduled, ScheduleStates
from taskfactory.registry.schema import SchemaMismatch, migrate, require_schema
from taskfactory.registry.shadow_matches import ShadowMatch, ShadowMatches, ShadowVerdict
from taskfactory.registry.shadow_reports import Comparison, ShadowExample, ShadowReport
from taskfactory.registry.stored_text import readable_key
from taskfactory.registry.task_pages import PageLimit
from taskfactory.registry.task_queues import OpenQueue, QueueCheck, QueueKind, QueueState
from taskfactory.registry.tick_evidence import ScheduleLine, TickEvidence, TickFact, UndecidedRun
from taskfactory.registry.tick_rows import AskedTick, DecidedTick, Decision, TickRow, UnknownActivity
from taskfactory.registry.ticks import TickStore
from taskfactory.registry.topic_mapping_store import MappingChanges, TopicMappingRow
from taskfactory.registry.transactions import Refused

__all__ = [
    "Action",
    "Activation",
    "ApiKey",
    "ApiKeys",
    "Applied",
    "AskedTick",
    "AuditEntry",
    "AuditFilter",
    "AuditLine",
    "AuditTrail",
    "AwaitsContext",
    "ByHand",
    "Cause",
    "Claim",
    "ClaimKeys",
    "ClaimedRun",
    "Comparison",
    "ContextState",
    "DeadLetterResolutions",
    "DecidedTick",
    "Decision",
    "DedupeStore",
    "DefinitionChanges",
    "DefinitionListener",
    "DefinitionRow",
    "DefinitionState",
    "DefinitionStore",
    "DefinitionVersion",
    "DuplicateNames",
    "EarlierRuns",
    "EndedRun",
    "EndedTask",
    "EventAttributes",
    "Evidence",
    "Expected",
    "Finished",
    "FoundKey",
    "GenerationRow",
    "IdempotencyKeys",
    "InProgress",
    "IngressRevision",
    "IngressRevisions",
    "IssuedKey",
    "KeyNeverSeen",
    "KeyReused",
    "Lead",
    "LedgerKey",
    "Lineage",
    "LineageBounds",
    "LineageRun",
    "LineageTask",
    "MappingChanges",
    "NameTaken",
    "NewerRun",
    "NoShadow",
    "NoShadowMappings",
    "OpenQueue",
    "OpenRun",
    "OpenTasks",
    "OutcomeRef",
    "OutcomesConfig",
    "PageLimit",
    "PastRun",
    "PlannedRun",
    "QueueCheck",
    "QueueKind",
    "QueueState",
    "Refused",
    "Release",
    "RerunLink",
    "RerunOpened",
    "Resolution",
    "ResolutionKind",
    "ResultsTooLarge",
    "RunContext",
    "RunContextStore",
    "RunCursor",
    "RunDetail",
    "RunEnd",
    "RunFact",
    "RunFilter",
    "RunKind",
    "RunPlace",
    "RunReader",
    "RunRow",
    "RunSelection",
    "RunState",
    "RunStore",
    "ScheduleChanges",
    "ScheduleLine",
    "ScheduleStates",
    "Scheduled",
    "SchemaMismatch",
    "ShadowExample",
    "ShadowMatch",
    "ShadowMatches",
    "ShadowReport",
    "ShadowVerdict",
    "ShownContext",
    "ShownTaskState",
    "SourceToFetch",
    "StoredAnswer",
    "StoredContext",
    "StoredTask",
    "TaskEnd",
    "TaskFilter",
    "TaskPage",
    "TaskPlace",
    "TaskRow",
    "TaskState",
    "TickEvidence",
    "TickFact",
    "TickRow",
    "TickStore",
    "TopicMappingRow",
    "UndecidedRun",
    "UnknownActivity",
    "UnknownDefinition",
    "UnknownIds",
    "UnknownKeys",
    "UnknownNames",
    "UnknownVersion",
    "VersionConflict",
    "WantedKey",
    "claim_keys",
    "drop_expired",
    "ensure_partitions",
    "migrate",
    "next_revision",
    "open_engine",
    "readable_key",
    "require_schema",
]
