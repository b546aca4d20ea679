"""What the routers work with: one frozen object, made in the wiring and handed to every request."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from sqlalchemy import Engine
from starlette.requests import Request
from temporalio.client import Client

from taskfactory.admin.settings import AdminSettings
from taskfactory.registry import AuditTrail, DefinitionStore, RunReader, RunStore


@dataclass(frozen=True)
class Services:
    """The servers behind the API, and where they are."""

    settings: AdminSettings
    """Kafka's properties are `settings.librdkafka()`."""
    engine: Engine
    """For plain `def` endpoints, which run in threads; an `async def` one must not wait for it."""
    temporal: Callable[[], Awaitable[Client]]
    """The process's client. Raises `taskfactory.intake.Unavailable` while Temporal is away: the answer is 503 then."""

    @property
    def definitions(self) -> DefinitionStore:
        """Definitions and mappings."""
        return DefinitionStore(self.engine)

    @property
    def audit_trail(self) -> AuditTrail:
        """Who changed what."""
        return AuditTrail(self.engine)

    @property
    def run_reader(self) -> RunReader:
        """Runs, tasks and lineages as they may be shown."""
        return RunReader(self.engine)

    @property
    def runs(self) -> RunStore:
        """Runs and tasks."""
        return RunStore(self.engine)


def _services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


Using = Annotated[Services, Depends(_services)]
"""For an endpoint's parameter: `services: Using`."""
