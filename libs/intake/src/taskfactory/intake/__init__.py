"""From a Kafka record to started runs: decode, decide, start, dead-letter. Used by ingress and by operators' commands.

Reading order: `decisions` (what follows from a record; pure), `starter` (Temporal), `dead_letters` (what is kept of a
record that no run comes of) and `dead_letter_topic` (where). For commands: `history` and `letters` (what was),
`dispositions` (one record, decided and disposed of), `redrive` and `replay`.
"""

from taskfactory.intake.dead_letter_topic import DeadLettersFailed, DeadLetterSink, KafkaDeadLetters
from taskfactory.intake.dead_letters import DeadLetter, StoredLetter
from taskfactory.intake.decisions import (
    BeforeActivation,
    Decision,
    DecisionLimits,
    Paused,
    StartRun,
    decide,
)
from taskfactory.intake.dispositions import Disposer, Disposition
from taskfactory.intake.history import History, OffsetRange, Progress, Reading, Span, UnknownTopic, open_history
from taskfactory.intake.in_force import InForce
from taskfactory.intake.letters import LetterFilter, Letters, read_letters, read_originals
from taskfactory.intake.loading import applied_to_the_past, load_in_force
from taskfactory.intake.pacing import Pace
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
from taskfactory.intake.records import Record, record_from_message
from taskfactory.intake.redrive import GONE, Redriven, Redriver
from taskfactory.intake.rehearsal import RehearsedLetters, RehearsedResolutions, RehearsedStarts
from taskfactory.intake.replay import Replay, in_parallel
from taskfactory.intake.settings import IntakeSettings
from taskfactory.intake.starter import Refused, Start, Starter, TemporalStarter, new_request_id
from taskfactory.intake.unavailable import Unavailable

__all__ = [
    "GONE",
    "AtOffset",
    "AtTime",
    "BeforeActivation",
    "DeadLetter",
    "DeadLetterSink",
    "DeadLettersFailed",
    "Decision",
    "DecisionLimits",
    "Disposer",
    "Disposition",
    "Earliest",
    "History",
    "InForce",
    "IntakeSettings",
    "InvalidPosition",
    "KafkaDeadLetters",
    "Latest",
    "LetterFilter",
    "Letters",
    "OffsetRange",
    "Pace",
    "Paused",
    "Position",
    "Progress",
    "Reading",
    "Record",
    "Redriven",
    "Redriver",
    "Refused",
    "RehearsedLetters",
    "RehearsedResolutions",
    "RehearsedStarts",
    "Replay",
    "Span",
    "Start",
    "StartRun",
    "Starter",
    "StoredLetter",
    "TemporalStarter",
    "Unavailable",
    "UnknownTopic",
    "applied_to_the_past",
    "decide",
    "in_parallel",
    "load_in_force",
    "new_request_id",
    "open_history",
    "parse_moment",
    "parse_position",
    "read_letters",
    "read_originals",
    "record_from_message",
]
