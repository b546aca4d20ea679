"""What really happened in a demo run, as Kafka, PostgreSQL, the ingress and the handlers' journal tell it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg

from examples.shop import journal
from examples.shop.broker import Broker, Place, Readback
from examples.shop.stage import Stage
from taskfactory.envelope import InvalidEnvelope, Outcome
from taskfactory.envelope.kafka import Received

DLQ_HEADER: Final = "taskfactory_dlq_"


@dataclass(frozen=True, slots=True)
class SeenOutcome:
    """An outcome on its topic."""

    id: str
    ended: str
    """Id of the task or run that it is about."""
    attempts: int | None


@dataclass(frozen=True, slots=True)
class SeenDeadLetter:
    """A dead letter on its topic."""

    place: Place
    """Where the original lies."""
    reason: str
    definition: str | None

    @property
    def subject(self) -> tuple[Place, str | None]:
        """What it is about: a record, and the definition that stumbled over it, if it was only one."""
        return self.place, self.definition


@dataclass(frozen=True)
class Evidence:
    """Everything that a verdict needs."""

    places: Sequence[Place]
    """Where Kafka put each record that was sent."""
    identities: Sequence[tuple[str, str] | None]
    """Of every record that lies on the events topic; None for those that are no events."""
    committed: int
    """Records behind the committed offsets."""
    outcomes: Sequence[SeenOutcome]
    dead_letters: Sequence[SeenDeadLetter]
    activity_ids: Mapping[str, str]
    """By definition name."""
    runs: Mapping[str, str]
    """Run id → state, of the runs that this demo's events started."""
    tasks: Mapping[str, str]
    """Task id → state, of these runs."""
    decisions: Mapping[str, int]
    """The ingress's own count of what became of records."""
    effects: Sequence[journal.Entry]


def outcome(record: Received) -> SeenOutcome:
    """Read an outcome as a subscriber would."""
    data = Outcome.model_validate(record.envelope.data)
    if data.task is None:
        return SeenOutcome(record.envelope.id, data.run.id, None)
    return SeenOutcome(record.envelope.id, data.task.id, data.task.attempts)


def dead_letter(record: Received) -> SeenDeadLetter:
    """Read a dead letter's headers."""
    told = {
        name.removeprefix(DLQ_HEADER): value.decode()
        for name, value in record.headers
        if name.startswith(DLQ_HEADER) and value is not None
    }
    return SeenDeadLetter((int(told["partition"]), int(told["offset"])), told["reason"], told.get("activity_name"))


def definitions_revision(stage: Stage) -> int:
    """The registry's revision: it changes with every change of a definition."""
    with psycopg.connect(stage.database_url) as connection:
        ((revision,),) = connection.execute("SELECT revision FROM definitions_revision").fetchall()
        return int(revision)


def activity_ids(stage: Stage) -> dict[str, str]:
    """The registry's ids, by definition name."""
    with psycopg.connect(stage.database_url) as connection:
        return dict(connection.execute("SELECT name, id::text FROM activity_definitions").fetchall())


def gather(
    stage: Stage, broker: Broker, readback: Readback, places: Sequence[Place], decisions: Mapping[str, int]
) -> Evidence:
    """Put together what there is, once the services have ended and nothing can be added any more."""
    with psycopg.connect(stage.database_url) as connection:
        runs = connection.execute(
            "SELECT run_id, state FROM activity_runs WHERE trigger->>'topic' = %s", [stage.events_topic]
        ).fetchall()
        tasks = connection.execute(
            "SELECT task_id, t.state FROM tasks t JOIN activity_runs r USING (run_id, started_at)"
            " WHERE r.trigger->>'topic' = %s",
            [stage.events_topic],
        ).fetchall()
    return Evidence(
        places=places,
        identities=[_identity(record) for record in readback.received(stage.events_topic)],
        committed=broker.committed(),
        outcomes=[outcome(record) for record in readback.received(stage.outcomes_topic)],
        dead_letters=[dead_letter(record) for record in readback.received(stage.dlq_topic)],
        activity_ids=activity_ids(stage),
        runs=dict(runs),
        tasks=dict(tasks),
        decisions=decisions,
        effects=list(journal.read(stage.journal)),
    )


def _identity(record: Received) -> tuple[str, str] | None:
    try:
        return record.envelope.identity
    except InvalidEnvelope:
        return None
