"""`taskfactory run`, and `taskfactory ingress`, `taskfactory orchestrator`, …: services until SIGTERM."""

from collections.abc import Sequence

from taskfactory.cli.errors import OperationFailed
from taskfactory.cli.plugins import SERVICES, Plugin, plugins
from taskfactory.runtime.service import serve


def run() -> None:
    """Run every installed service in one process, for small installations.

    They share one connection to Temporal, which makes a run's start cheaper. Runs until SIGTERM or SIGINT, then drains
    and ends. For large installations run each service by its own command, as many processes as you need.
    """
    installed = plugins(SERVICES)
    if not installed:
        raise OperationFailed("No service is installed.", "Install taskfactory-ingress and taskfactory-orchestrator.")
    run_services(installed)


def run_services(services: Sequence[Plugin]) -> None:
    """Construct the services from the environment and run them; ends the process."""
    serve([service.load()() for service in services])
