"""How far a demo run is, as Kafka tells it."""

from collections.abc import Callable, Hashable, Iterable, Mapping

from examples.shop.broker import Broker, Place, Readback
from examples.shop.evidence import dead_letter
from examples.shop.verdict import Plan
from taskfactory.envelope.kafka import Received


class Progress:
    """Counts what there is of everything that is expected."""

    def __init__(self, broker: Broker, readback: Readback, plan: Plan) -> None:
        self._broker = broker
        self._outcomes = Arrivals(readback, broker.stage.outcomes_topic, _outcome_id, plan.outcomes)
        self._dead_letters = Arrivals(readback, broker.stage.dlq_topic, _subject, plan.dead_letters)
        self._sent = plan.sent

    def done(self) -> Mapping[str, tuple[int, int]]:
        """What there is of what is expected, by name."""
        return {
            "records disposed": (self._broker.committed(), self._sent),
            "outcomes": self._outcomes.count(),
            "dead letters": self._dead_letters.count(),
        }


class Arrivals:
    """Which of the expected records of a topic are there; looks at each record once."""

    def __init__(
        self, readback: Readback, topic: str, identify: Callable[[Received], Hashable], expected: Iterable[Hashable]
    ) -> None:
        self._readback = readback
        self._topic = topic
        self._identify = identify
        self._missing = set(expected)
        self._wanted = len(self._missing)
        self._read = 0

    def count(self) -> tuple[int, int]:
        """How many are there, of how many."""
        new = self._readback.received(self._topic, self._read)
        self._read += len(new)
        self._missing.difference_update(map(self._identify, new))
        return self._wanted - len(self._missing), self._wanted


def _outcome_id(record: Received) -> str:
    return record.envelope.id


def _subject(record: Received) -> tuple[Place, str | None]:
    return dead_letter(record).subject
