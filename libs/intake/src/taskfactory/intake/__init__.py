"""From a Kafka record to started runs: decode, decide, start, dead-letter. Used by ingress and by operators' commands.

Reading order: `reading` (the event in a record), `decisions` (what follows from it; pure), `starter` (Temporal),
`dead_letters` (what is kept of a record that no run comes of) and `dead_letter_topic` (where). For commands: `history`
and `letters` (what was), `disposer` (one record, decided and disposed of), `redrive`, `replay` and `reruns`.
"""

from taskfactory.intake.cancelling import (
    Canceller,
    NoSuchRun,
    RunEnded,
)
from taskfactory.intake.dead_letter_topic import (
    DeadLetterSink,
    KafkaDeadLetters,
)
from taskfactory.intake.dead_letters import (
    DeadLetter,
    StoredLetter,
)
from taskfactory.intake.decision_stream import (
    Decided,
    DecisionStream,
    KafkaDecisionStream,
)
from taskfactory.intake.decisions import (
    BeforeActivation,
    Decision,
    DecisionLimits,
    Paused,
    StartRun,
    decide,
    decision_of,
    decisions_of,
)
from taskfactory.intake.disposer import (
    Disposer,
)
from taskfactory.intake.disposition import (
    Disposition,
    DispositionKind,
)
from taskfactory.intake.document_settings import DocumentSettings
from taskfactory.intake.history import (
    History,
    OffsetRange,
    Progress,
    Reading,
    Span,
    UnknownTopic,
    open_history,
)
from taskfactory.intake.in_force import (
    InForce,
)
from taskfactory.intake.kafka_writer import (
    KafkaWriter,
    TooLarge,
    WriterFailed,
)
from taskfactory.intake.letter_advice import (
    advice_for,
)
from taskfactory.intake.letter_desk import (
    LetterDesk,
    Listed,
    Listing,
    NoLetter,
    NotNarrowed,
    ResolvedAlready,
)
from taskfactory.intake.letters import (
    LetterFilter,
    Letters,
    read_letters,
    read_originals,
)
from taskfactory.intake.loading import (
    applied_to_the_past,
    load_in_force,
)
from taskfactory.intake.pacing import (
    Pace,
    in_parallel,
)
from taskfactory.intake.past_events import (
    PastEvents,
)
from taskfactory.intake.positions import (
    AtOffset,
    AtTime,
    Earliest,
    InvalidPosition,
    Latest,
    Position,
    parse_moment,
    parse_position,
)
from taskfactory.intake.reading import (
    EventReader,
    NoEvent,
    ReadEvent,
    ReadResult,
    read_event,
)
from taskfactory.intake.records import (
    Record,
    record_from_message,
)
from taskfactory.intake.redrive import (
    GONE,
    Redriven,
    Redriver,
    definition_id,
    redrive_all,
)
from taskfactory.intake.rehearsal import (
    RehearsedLetters,
    RehearsedResolutions,
    RehearsedStarts,
)
from taskfactory.intake.replay import (
    Replay,
)
from taskfactory.intake.reruns import (
    COULD_NOT,
    Rerun,
    Rerunner,
    RerunResult,
)
from taskfactory.intake.schema_registry import (
    schema_registry,
)
from taskfactory.intake.settings import (
    IntakeSettings,
)
from taskfactory.intake.shadows import (
    shadow_matches,
)
from taskfactory.intake.starter import (
    PAYLOAD_STORAGE,
    Refused,
    Start,
    Starter,
    TemporalStarter,
    new_request_id,
)
from taskfactory.intake.unavailable import (
    Unavailable,
)

__all__ = [
    "COULD_NOT",
    "GONE",
    "PAYLOAD_STORAGE",
    "AtOffset",
    "AtTime",
    "BeforeActivation",
    "Canceller",
    "DeadLetter",
    "DeadLetterSink",
    "Decided",
    "Decision",
    "DecisionLimits",
    "DecisionStream",
    "Disposer",
    "Disposition",
    "DispositionKind",
    "DocumentSettings",
    "Earliest",
    "EventReader",
    "History",
    "InForce",
    "IntakeSettings",
    "InvalidPosition",
    "KafkaDeadLetters",
    "KafkaDecisionStream",
    "KafkaWriter",
    "Latest",
    "LetterDesk",
    "LetterFilter",
    "Letters",
    "Listed",
    "Listing",
    "NoEvent",
    "NoLetter",
    "NoSuchRun",
    "NotNarrowed",
    "OffsetRange",
    "Pace",
    "PastEvents",
    "Paused",
    "Position",
    "Progress",
    "ReadEvent",
    "ReadResult",
    "Reading",
    "Record",
    "Redriven",
    "Redriver",
    "Refused",
    "RehearsedLetters",
    "RehearsedResolutions",
    "RehearsedStarts",
    "Replay",
    "Rerun",
    "RerunResult",
    "Rerunner",
    "ResolvedAlready",
    "RunEnded",
    "Span",
    "Start",
    "StartRun",
    "Starter",
    "StoredLetter",
    "TemporalStarter",
    "TooLarge",
    "Unavailable",
    "UnknownTopic",
    "WriterFailed",
    "advice_for",
    "applied_to_the_past",
    "decide",
    "decision_of",
    "decisions_of",
    "definition_id",
    "in_parallel",
    "load_in_force",
    "new_request_id",
    "open_history",
    "parse_moment",
    "parse_position",
    "read_event",
    "read_letters",
    "read_originals",
    "record_from_message",
    "redrive_all",
    "schema_registry",
    "shadow_matches",
]
