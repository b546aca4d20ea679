"""The local stack: real Kafka, Temporal and PostgreSQL for development, tests and the demo.

`Stack` starts, describes and stops it; the command `taskfactory dev` and the tests use nothing else.
Reading order: `stack` (which way to run), `native` (processes) or `compose` (containers), then one module per server.
"""

from taskfactory.dev.endpoints import Endpoints
from taskfactory.dev.errors import DevError
from taskfactory.dev.ports import FREE, Ports
from taskfactory.dev.stack import Stack
from taskfactory.dev.state import Mode, PartStatus

__all__ = ["FREE", "DevError", "Endpoints", "Mode", "PartStatus", "Ports", "Stack"]
