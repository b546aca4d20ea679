"""What a dry run talks to instead of Temporal, Kafka and PostgreSQL: everything succeeds, and nothing happens."""

from collections.abc import Sequence

from taskfactory.definitions import RunInput
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.starter import Start
from taskfactory.registry import Resolution


class RehearsedStarts:
    """A `Starter` that starts nothing; whether a run exists already it does not know."""

    async def start(self, run: RunInput, request_id: str) -> Start:
        """Say that it would be started."""
        del run, request_id
        return Start.STARTED


class RehearsedLetters:
    """A `DeadLetterSink` that keeps nothing."""

    async def write(self, letter: DeadLetter) -> None:
        """Do nothing."""


class RehearsedResolutions:
    """Resolutions that nobody records."""

    def put(self, resolutions: Sequence[Resolution]) -> None:
        """Do nothing."""

    def newest(self, letter_keys: Sequence[str]) -> dict[str, Resolution]:
        """There are none."""
        del letter_keys
        return {}
