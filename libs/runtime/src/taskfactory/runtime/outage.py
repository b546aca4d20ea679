"""One line in the log when a dependency goes away, and one when it is back."""

import threading
from typing import Final

import structlog

MESSAGE_LENGTH: Final = 300

log = structlog.get_logger("taskfactory.runtime")


class Outage:
    """What is known about one dependency; may be told the same over and over, from any thread.

    Args:
        name: the dependency, as the lines name it.
        address: where it was looked for.
        variable: the environment variable that says where that is.
    """

    def __init__(self, name: str, address: str, variable: str) -> None:
        self._name = name
        self._address = address
        self._variable = variable
        self._lock = threading.Lock()
        self._away = False

    def away(self, error: str) -> None:
        """It does not answer; only the first call since it last did writes a line."""
        with self._lock:
            first, self._away = not self._away, True
        if first:
            log.warning(
                "dependency_unreachable",
                dependency=self._name,
                address=self._address,
                error=error.partition("\n")[0][:MESSAGE_LENGTH],
                hint=f"trying on; check {self._variable}, or start the local stack with `taskfactory dev up`",
            )

    def back(self) -> None:
        """It answers; writes a line if it did not before."""
        with self._lock:
            again, self._away = self._away, False
        if again:
            log.info("dependency_back", dependency=self._name, address=self._address)
