"""Running services: one process, one event loop, one way to stop.

SIGTERM or SIGINT sets `Shared.stop`; every service then drains within its own bound and returns. If one does not, the
process leaves anyway after `drain_timeout` plus a grace period: nothing is lost by that, since offsets are committed
and Temporal is answered only for work that is done.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Protocol

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from taskfactory.runtime.health import Health, HealthServer
from taskfactory.runtime.logs import configure_logs
from taskfactory.runtime.outage import Outage
from taskfactory.runtime.settings import ProcessSettings, TemporalSettings
from taskfactory.runtime.temporal import connect, connection_error

GRACE_SECONDS: Final = 10.0
"""What a process may take beyond its drain timeout before it is ended from within."""
CONNECT_RETRY_SECONDS: Final = 2.0
HEALTH_CHECK_SECONDS: Final = 5.0
METRICS_PORT_HINT: Final = (
    "each process of a host needs a metrics port of its own: set TASKFACTORY_METRICS_PORT, 0 takes any free one"
)

log = structlog.get_logger("taskfactory.runtime")


class Shared:
    """What the services of one process have in common."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = frozenset(names)
        """Services in this process; ingress asks for eager starts when the orchestrator is one of them."""
        self.stop = asyncio.Event()
        """Set once, when the process is asked to end."""
        self.health = Health()
        self._clients: dict[tuple[str, str], asyncio.Task[Client | None]] = {}
        self._watchers: list[asyncio.Task[None]] = []

    async def temporal(self, settings: TemporalSettings) -> Client | None:
        """The process's one client for that address and namespace, connecting until it succeeds.

        Services get the same client, which is what lets Temporal hand a start's first task right back to this process.

        Returns:
            None if the process was asked to stop before a connection came about.
        """
        key = (settings.temporal_address, settings.temporal_namespace)
        if key not in self._clients:
            self._clients[key] = asyncio.create_task(self._connect(settings))
        return await asyncio.shield(self._clients[key])

    async def pause(self, seconds: float) -> None:
        """Wait for so many seconds, or until the process is asked to stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)

    async def _connect(self, settings: TemporalSettings) -> Client | None:
        address = settings.temporal_address
        outage = Outage("temporal", address, "TASKFACTORY_TEMPORAL_ADDRESS")
        problem: list[str] = ["not connected yet"]
        self.health.add_check("temporal", lambda: problem[0] if problem else None)
        while not self.stop.is_set():
            try:
                client = await connect(settings)
            except (RuntimeError, OSError) as error:
                reason = connection_error(error)
                problem[:] = [f"no connection to {address}: {reason}"]
                outage.away(reason)
                await self.pause(CONNECT_RETRY_SECONDS)
            else:
                problem.clear()
                outage.back()
                self._watchers.append(asyncio.create_task(self._watch(client, address, problem, outage)))
                return client
        return None

    async def _watch(self, client: Client, address: str, problem: list[str], outage: Outage) -> None:
        while not self.stop.is_set():
            await self.pause(HEALTH_CHECK_SECONDS)
            try:
                await client.service_client.check_health(timeout=timedelta(seconds=HEALTH_CHECK_SECONDS))
                problem.clear()
                outage.back()
            except (RPCError, RuntimeError) as error:
                reason = connection_error(error)
                problem[:] = [f"no answer from {address}: {reason}"]
                outage.away(reason)


class Service(Protocol):
    """A part of taskfactory that runs until it is asked to stop."""

    name: str

    @property
    def settings(self) -> ProcessSettings:
        """The service's settings; read once, at construction."""

    async def run(self, shared: Shared) -> None:
        """Work until `shared.stop` is set, then drain and return.

        An exception ends the whole process with a non-zero status: a service never dies quietly beside others.
        """


async def _turn(health: Health) -> None:
    while True:
        health.turned()
        await asyncio.sleep(1)


async def _run_all(services: Sequence[Service]) -> int:
    settings = services[0].settings
    shared = Shared([service.name for service in services])
    loop = asyncio.get_running_loop()

    def ask_to_stop(name: str) -> None:
        if shared.stop.is_set():
            return
        log.info("stopping", signal=name, drain_timeout=settings.drain_timeout)
        shared.stop.set()
        watchdog = threading.Timer(settings.drain_timeout + GRACE_SECONDS, _leave_at_once)
        watchdog.daemon = True
        watchdog.start()

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, ask_to_stop, signum.name)
    try:
        server = HealthServer(shared.health, settings.metrics_host, settings.metrics_port)
    except OSError as taken:
        log.error("start_failed", error=str(taken), metrics_port=settings.metrics_port, hint=METRICS_PORT_HINT)
        return 1
    log.info("started", services=sorted(shared.names), metrics_port=server.port, pid=os.getpid())
    turning = asyncio.create_task(_turn(shared.health))
    running = {asyncio.create_task(service.run(shared), name=service.name) for service in services}
    status = 0
    try:
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is not None:
                    log.error("service_failed", service=task.get_name(), exc_info=error)
                    status = 1
                elif not shared.stop.is_set():
                    log.error("service_ended", service=task.get_name())
                    status = 1
            ask_to_stop("service ended")
    finally:
        turning.cancel()
        server.close()
    log.info("stopped", status=status)
    return status


def _leave_at_once() -> None:
    log.error("drain_overrun", hint="work in flight is left to be redelivered")
    _exit(1)


def _exit(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: the Temporal SDK's native threads were seen to abort while the interpreter is torn down, which
    # would turn an orderly end into a crash. Everything of ours is closed by now.
    os._exit(status)


def serve(services: Sequence[Service]) -> None:
    """Run the services in this process until SIGTERM or SIGINT, then end the process.

    The exit status is 0 after an orderly end and 1 when a service failed or overran its drain.

    Args:
        services: at least one; logs, drain timeout and metrics port are the first one's.
    """
    settings = services[0].settings
    configure_logs(settings.log_format, settings.log_level)
    _exit(asyncio.run(_run_all(services)))
