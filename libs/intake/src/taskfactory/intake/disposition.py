"""What became of a record for one definition, or as a whole."""

from dataclasses import dataclass
from typing import Literal

from taskfactory.definitions import RegisteredDefinition
from taskfactory.intake.dead_letters import DeadLetter

DispositionKind = Literal["started", "already_started", "paused", "before_activation", "dead_lettered", "shadowed"]


@dataclass(frozen=True, slots=True)
class Disposition:
    """One decision, made durable. A record without any is filtered: no definition matched it.

    `shadowed` says what a shadow version would have done; nothing follows from it.
    """

    kind: DispositionKind
    definition: RegisteredDefinition | None
    """None: the record itself is at fault."""
    run_id: str | None = None
    letter: DeadLetter | None = None
    """The one that was written."""
    trouble: str | None = None
    """What a shadow version failed with."""
