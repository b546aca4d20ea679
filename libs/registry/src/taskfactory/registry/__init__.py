"""Definitions, the dedupe ledger, runs and tasks in PostgreSQL.

Read first: `run_model` (what goes in and out), `planning` (claim and plan), `finishing` (ends), `run_store` (the door).
"""

from taskfactory.registry.activations import Activation, DefinitionChanges, DefinitionState, UnknownNames
from taskfactory.registry.applied import Applied
from taskfactory.registry.claims import LedgerKey
from taskfactory.registry.context_rows import ContextState, StoredContext
from taskfactory.registry.dead_letter_resolutions import DeadLetterResolutions, Resolution, ResolutionKind
from taskfactory.registry.dedupe_store import DedupeStore
from taskfactory.registry.definition_listener import DefinitionListener
from taskfactory.registry.definition_store import (
    DefinitionRow,
    DefinitionStore,
    DuplicateNames,
    UnknownDefinition,
)
from taskfactory.registry.earlier_runs import EarlierRuns, ResultsTooLarge
from taskfactory.registry.engine import open_engine
from taskfactory.registry.evidence import ClaimKeys, Evidence, RunFact, claim_keys
from taskfactory.registry.finishing import UnknownIds
from taskfactory.registry.generations import ByHand, GenerationRow, KeyNeverSeen, NewerRun, Release, RerunOpened
from taskfactory.registry.ingress_revisions import IngressRevision, IngressRevisions
from taskfactory.registry.listing import RunRow, ShownTaskState, TaskRow
from taskfactory.registry.partitions import drop_expired, ensure_partitions
from taskfactory.registry.past_runs import PastRun, RunSelection
from taskfactory.registry.reconciling import ClaimedRun, Lead, OpenRun, RunCursor
from taskfactory.registry.revisions import next_revision
from taskfactory.registry.run_context import RunContextStore, ShownContext, scrubber_of
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
from taskfactory.registry.run_store import RunStore
from taskfactory.registry.schema import SchemaMismatch, migrate, require_schema
from taskfactory.registry.task_pages import PageLimit
from taskfactory.registry.task_queues import OpenQueue, QueueCheck, QueueKind, QueueState
from taskfactory.registry.topic_mapping_store import MappingChanges, TopicMappingRow
from taskfactory.registry.transactions import Refused

__all__ = [
    "Activation",
    "Applied",
    "AwaitsContext",
    "ByHand",
    "ClaimKeys",
    "ClaimedRun",
    "ContextState",
    "DeadLetterResolutions",
    "DedupeStore",
    "DefinitionChanges",
    "DefinitionListener",
    "DefinitionRow",
    "DefinitionState",
    "DefinitionStore",
    "DuplicateNames",
    "EarlierRuns",
    "EndedRun",
    "EndedTask",
    "EventAttributes",
    "Evidence",
    "Finished",
    "GenerationRow",
    "IngressRevision",
    "IngressRevisions",
    "KeyNeverSeen",
    "Lead",
    "LedgerKey",
    "MappingChanges",
    "NewerRun",
    "OpenQueue",
    "OpenRun",
    "OpenTasks",
    "OutcomesConfig",
    "PageLimit",
    "PastRun",
    "PlannedRun",
    "QueueCheck",
    "QueueKind",
    "QueueState",
    "Refused",
    "Release",
    "RerunOpened",
    "Resolution",
    "ResolutionKind",
    "ResultsTooLarge",
    "RunContext",
    "RunContextStore",
    "RunCursor",
    "RunEnd",
    "RunFact",
    "RunRow",
    "RunSelection",
    "RunState",
    "RunStore",
    "SchemaMismatch",
    "ShownContext",
    "ShownTaskState",
    "SourceToFetch",
    "StoredContext",
    "StoredTask",
    "TaskEnd",
    "TaskPage",
    "TaskRow",
    "TaskState",
    "TopicMappingRow",
    "UnknownDefinition",
    "UnknownIds",
    "UnknownNames",
    "claim_keys",
    "drop_expired",
    "ensure_partitions",
    "migrate",
    "next_revision",
    "open_engine",
    "require_schema",
    "scrubber_of",
]
