"""One log for everything in the process: structlog's own loggers and the libraries' standard ones."""

import logging
import sys
import time
from collections.abc import Callable
from typing import Final, Literal

import structlog

LIBRDKAFKA_FORM: Final = "%s [%s] %s"
"""How confluent-kafka hands librdkafka's lines on: facility, client, text."""
CONNECTION_FACILITIES: Final = frozenset({"FAIL", "ERROR"})
"""librdkafka's names for a connection that failed, and for what its clients' error callbacks hear of as well."""
WATCHING: Final = "taskfactory.registry"
"""What of ours warns at each attempt to reach the database."""
REPEAT_SECONDS: Final = 60.0
TELLTALES: Final = ("httpx", "httpcore")
"""Libraries that tell every request's URL and every answer's headers, where secrets may be: they may only warn."""


class Reconnecting(logging.Filter):
    """Lets lines about attempts to connect pass once a minute and kind: every client tries again and again.

    That a dependency went away, and that it is back, is said in a line of its own (`Outage`). At level debug all lines
    are written.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._next: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written."""
        kind = _connecting(record)
        if kind is None or logging.getLogger().isEnabledFor(logging.DEBUG):
            return True
        now = self._clock()
        if now < self._next.get(kind, now):
            return False
        self._next[kind] = now + REPEAT_SECONDS
        return True


def _connecting(record: logging.LogRecord) -> str | None:
    if record.msg == LIBRDKAFKA_FORM and isinstance(record.args, tuple):
        return "librdkafka" if record.args[0] in CONNECTION_FACILITIES else None
    of_ours = record.name.startswith(WATCHING) and record.levelno == logging.WARNING
    return record.msg if of_ours and isinstance(record.msg, str) else None


def configure_logs(log_format: Literal["auto", "json", "console"], level: str) -> None:
    """Send every log line to standard error: readable on a terminal, one JSON object a line elsewhere.

    Args:
        log_format: `auto` decides by whether standard error is a terminal.
        level: lowest level that is written.
    """
    readable = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    final: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    handler.addFilter(Reconnecting())
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in TELLTALES:
        logging.getLogger(name).setLevel(logging.WARNING)
