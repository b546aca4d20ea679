"""What the native stack asks of each server."""

import signal
from collections.abc import Callable, Mapping
from typing import Protocol

from taskfactory.dev.endpoints import Endpoints
from taskfactory.dev.processes import Launch

Say = Callable[[str], None]


class Part(Protocol):
    """A server that the stack can install, start and question."""

    @property
    def name(self) -> str:
        """Its name in commands, logs and the state."""

    @property
    def port_names(self) -> tuple[str, ...]:
        """The names of the ports it listens on."""

    @property
    def stop_signal(self) -> signal.Signals:
        """What asks it to end in good order at once."""

    def require(self) -> None:
        """Check quickly that it can be started or installed.

        Raises:
            ToolMissingError: A toolchain is missing.
        """

    def launch(self, ports: Mapping[str, int], say: Say) -> Launch:
        """Install it and prepare its folder where that is still to be done, and say how to start it.

        Args:
            ports: A number for each of `port_names`.
            say: Told what is being done, when it takes time.

        Raises:
            BuildError: A tool failed.
        """

    def address(self, endpoints: Endpoints) -> str:
        """Where its clients find it."""

    def problem(self, endpoints: Endpoints) -> str | None:
        """Give what is wrong with it; None when it answers."""

    def provision(self, endpoints: Endpoints) -> None:
        """Create in it what every stack has."""

    def wipe(self) -> None:
        """Remove its data."""
