"""From a Kafka record to started runs: decode, decide, start, dead-letter. Used by ingress and by operators' commands.

Reading order: `decisions` (what follows from a record; pure), `starter` (Temporal), `dead_letters` (what is kept of a
record that no run comes of) and `dead_letter_topic` (where). For commands: `history` (what was) and `reruns`.
"""

from taskfactory.intake.dead_letter_topic import DeadLettersFailed, DeadLetterSink, KafkaDeadLetters
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.decisions import (
    BeforeActivation,
    Decision,
    DecisionLimits,
    Paused,
    StartRun,
    decide,
)
from taskfactory.intake.history import History, open_history
from taskfactory.intake.in_force import InForce
from taskfactory.intake.pacing import Pace
from taskfactory.intake.positions import InvalidPosition, parse_moment
from taskfactory.intake.records import Record, record_from_message
from taskfactory.intake.reruns import COULD_NOT, Rerun, Rerunner, RerunResult
from taskfactory.intake.starter import Refused, Start, Starter, TemporalStarter, new_request_id
from taskfactory.intake.unavailable import Unavailable

__all__ = [
    "COULD_NOT",
    "BeforeActivation",
    "DeadLetter",
    "DeadLetterSink",
    "DeadLettersFailed",
    "Decision",
    "DecisionLimits",
    "History",
    "InForce",
    "InvalidPosition",
    "KafkaDeadLetters",
    "Pace",
    "Paused",
    "Record",
    "Refused",
    "Rerun",
    "RerunResult",
    "Rerunner",
    "Start",
    "StartRun",
    "Starter",
    "TemporalStarter",
    "Unavailable",
    "decide",
    "new_request_id",
    "open_history",
    "parse_moment",
    "record_from_message",
]
