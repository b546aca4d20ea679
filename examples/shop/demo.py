"""The whole path on real parts: a shop's events go in, outcomes of durable tasks come out, every number is checked.

    python -m examples.shop.demo [--events N] [--seed S] [--state DIR]

Exit status: 0 when everything is as the generator of the events expects it, 1 when something was lost, done twice or
otherwise not as expected, or could not be done in time.
"""

import secrets
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from examples.shop import report
from examples.shop.broker import Broker, Readback
from examples.shop.evidence import Evidence, activity_ids, definitions_revision, gather
from examples.shop.premises import premises
from examples.shop.processes import Service, call, service
from examples.shop.progress import Progress
from examples.shop.stage import DemoFailed, Stage
from examples.shop.traffic import MIN_RECORDS, Traffic, traffic
from examples.shop.verdict import judge, plan
from taskfactory.dev import DevError, Stack
from taskfactory.dev.cli import DEFAULT_STATE
from taskfactory.dev.progress import shown

PATIENCE_SECONDS: Final = 90.0
"""How long the events may take, and for every event a little more."""
PATIENCE_PER_EVENT: Final = 0.2
TICK_SECONDS: Final = 0.25
READ_SECONDS: Final = 20.0

console = Console()


def main(
    *,
    events: Annotated[
        int, typer.Option(min=MIN_RECORDS, help="Records to send, copies and broken ones included.")
    ] = 300,
    seed: Annotated[int, typer.Option(help="Decides what happens in the shop.")] = 7,
    state: Annotated[
        Path, typer.Option(envvar="TASKFACTORY_DEV_STATE", help="The local stack's folder, as for `taskfactory dev`.")
    ] = DEFAULT_STATE,
) -> None:
    """Send a shop's events through the whole path, and check what comes out."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    began = time.monotonic()
    try:
        good = rehearse(events, seed, state)
    except (DevError, DemoFailed) as failure:
        console.print(f"The demo failed: {failure}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        good = False
    except KeyboardInterrupt:
        how = f"`{_taskfactory('dev down', state)}` stops it"
        said = f"Interrupted. The services are stopped and no run is left open; the stack stays up: {how}."
        console.print(said, highlight=False, soft_wrap=True)
        raise typer.Exit(128 + signal.SIGINT) from None
    result = "All as expected" if good else "NOT as expected"
    console.print(f"{result}, in {time.monotonic() - began:.0f} s.", style="bold green" if good else "bold red")
    raise typer.Exit(0 if good else 1)


def rehearse(events: int, seed: int, state: Path) -> bool:
    """Do it all once.

    Returns:
        Whether everything was as expected.

    Raises:
        DevError: the stack does not come up.
        DemoFailed: a part of the demo does not work, or does not end in time.
    """
    token = secrets.token_hex(4)
    sent = traffic(events, seed, token)
    with shown(console) as progress:
        endpoints = Stack(state).up(progress)
    stage = Stage(endpoints, state.absolute() / "demo" / token, token)
    with premises(stage):
        evidence = _run(stage, sent)
    verdict = judge(sent.expectation, evidence)
    report.print_verdict(console, verdict)
    _print_what_next(stage, state)
    return verdict.good


def _run(stage: Stage, sent: Traffic) -> Evidence:
    broker = Broker(stage)
    broker.create_events_topic()
    # The worker needs neither database nor topics, and the ingress notices definitions that are applied later.
    with service(stage, "worker", "--module", "examples.shop.handlers", "--queue", stage.queue) as worker:
        with console.status("taskfactory worker, migrate"):
            call(stage, "migrate")
        with service(stage, "run") as platform, broker.read_back() as readback:
            with console.status("taskfactory run, apply"):
                call(stage, "apply", "-f", str(stage.definitions))
                platform.wait_ready()
                platform.wait_for("taskfactory_ingress_definitions_revision", definitions_revision(stage))
                worker.wait_ready()
            return _send(sent, broker, readback, platform, worker)


def _send(sent: Traffic, broker: Broker, readback: Readback, platform: Service, worker: Service) -> Evidence:
    stage = broker.stage
    console.print(f"Sending {len(sent.stream)} records to {stage.events_topic}", highlight=False, soft_wrap=True)
    places = broker.send([item.record for item in sent.stream])
    services = [platform, worker]
    _wait(Progress(broker, readback, plan(sent.expectation, places, activity_ids(stage))), services)
    decisions = platform.counts("taskfactory_ingress_decisions_total", "decision")
    _stop(services)
    for topic in (stage.events_topic, stage.outcomes_topic, stage.dlq_topic):
        if not readback.wait(topic, broker.ends(topic), READ_SECONDS):
            raise DemoFailed(f"not all of {topic} could be read back")
    return gather(stage, broker, readback, places, decisions)


def _wait(progress: Progress, services: Sequence[Service]) -> None:
    """Until all that is expected is there, or patience is over; what is missing or too much, the verdict says."""
    done = progress.done()
    patience = PATIENCE_SECONDS + PATIENCE_PER_EVENT * done["records disposed"][1]
    deadline = time.monotonic() + patience
    with report.display(console) as display:
        while not all(there >= wanted for there, wanted in done.values()) and time.monotonic() < deadline:
            for running in services:
                running.check()
            time.sleep(TICK_SECONDS)
            done = progress.done()
            display.show(done)
    missing = [f"{wanted - there} of {wanted} {name}" for name, (there, wanted) in done.items() if there < wanted]
    if missing:
        logs = " and ".join(str(running.log) for running in services)
        console.print(f"Still missing after {patience:.0f} s: {', '.join(missing)}. See {logs}", style="red")


def _stop(services: Sequence[Service]) -> None:
    with console.status("stopping the services"), ThreadPoolExecutor() as pool:
        statuses = list(pool.map(Service.stop, services))
    for running, status in zip(services, statuses, strict=True):
        if status != 0:
            raise DemoFailed(f"`taskfactory {running.name}` ended with {status} after SIGTERM: see {running.log}")


def _print_what_next(stage: Stage, state: Path) -> None:
    own = f"TASKFACTORY_DATABASE_URL={stage.database_url} TASKFACTORY_OUTCOMES_TOPIC={stage.outcomes_topic}"
    lines = [
        "The services are stopped. The stack stays up, with this run in a database of its own until the next demo:",
        f"  Temporal's UI   {stage.runs_url}",
        f'  settings        set -a; eval "$({_taskfactory("dev up --format env", state)})"; {own}; set +a',
        f"  then, e.g.      {_taskfactory('get runs')}",
        f"                  {_taskfactory('outcomes tail --from-beginning')}",
        f"  logs, journal   {_short(stage.folder)}",
        f"  stop the stack  {_taskfactory('dev down', state)}",
    ]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _taskfactory(arguments: str, state: Path = DEFAULT_STATE) -> str:
    command = _short(Path(sys.executable).with_name("taskfactory"))
    option = "" if state == DEFAULT_STATE else f" --state {state}"
    return f"{command} {arguments}{option}"


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    typer.run(main)
