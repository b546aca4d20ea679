"""From a Kafka record to started runs: decode, decide, start, dead-letter. Used by ingress and by operators' commands.

Reading order: `reading` (the event in a record), `decisions` (what follows from it; pure), `starter` (Temporal),
`dead_letters` (what is kept of a record that no run comes of) and `dead_letter_topic` (where). For commands: `history`
(what was) and `reruns`.
"""

from taskfactory.intake.dead_letter_topic import DeadLetterSink, KafkaDeadLetters
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.decision_stream import Decided, DecisionStream, Disposition, KafkaDecisionStream
from taskfactory.intake.decisions import (
    BeforeActivation,
    Decision,
    DecisionLimits,
    Paused,
    StartRun,
    decide,
    decision_of,
)
from taskfactory.intake.history import History, open_history
from taskfactory.intake.in_force import InForce
from taskfactory.intake.kafka_writer import KafkaWriter, TooLarge, WriterFailed
from taskfactory.intake.pacing import Pace
from taskfactory.intake.past_events import PastEvents
from taskfactory.intake.positions import InvalidPosition, parse_moment
from taskfactory.intake.reading import EventReader, NoEvent, ReadEvent, Reading, read_event
from taskfactory.intake.records import Record, record_from_message
from taskfactory.intake.reruns import COULD_NOT, Rerun, Rerunner, RerunResult
from taskfactory.intake.schema_registry import schema_registry
from taskfactory.intake.starter import Refused, Start, Starter, TemporalStarter, new_request_id
from taskfactory.intake.unavailable import Unavailable

__all__ = [
    "COULD_NOT",
    "BeforeActivation",
    "DeadLetter",
    "DeadLetterSink",
    "Decided",
    "Decision",
    "DecisionLimits",
    "DecisionStream",
    "Disposition",
    "EventReader",
    "History",
    "InForce",
    "InvalidPosition",
    "KafkaDeadLetters",
    "KafkaDecisionStream",
    "KafkaWriter",
    "NoEvent",
    "Pace",
    "PastEvents",
    "Paused",
    "ReadEvent",
    "Reading",
    "Record",
    "Refused",
    "Rerun",
    "RerunResult",
    "Rerunner",
    "Start",
    "StartRun",
    "Starter",
    "TemporalStarter",
    "TooLarge",
    "Unavailable",
    "WriterFailed",
    "decide",
    "decision_of",
    "new_request_id",
    "open_history",
    "parse_moment",
    "read_event",
    "record_from_message",
    "schema_registry",
]
