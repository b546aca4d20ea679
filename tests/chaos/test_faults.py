"""The faults that take seconds, each with its books. `make test-chaos` has the long ones."""

import asyncio
from itertools import chain

import pytest
from temporalio.client import Client

from tests.chaos.books import Terms
from tests.chaos.case import Case
from tests.chaos.faults import (
    IMPATIENT_GROUP,
    TROUBLE,
    assigned,
    bad_network,
    freeze,
    never_left,
    rebalances,
    restart,
    unreachable,
)
from tests.chaos.stack import KAFKA, POSTGRES, TEMPORAL, start_all
from tests.chaos.traffic import Mix
from tests.e2e.platform import eventually

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.timeout(200)]

SHORT = 10.0
"""Seconds of an outage; a member that does not poll for so long is out of the group."""


@pytest.mark.parametrize("settings", [IMPATIENT_GROUP], ids=["impatient"])
def test_a_kill_before_between_or_after_start_and_commit_neither_loses_nor_repeats_a_run(case: Case) -> None:
    points = ["ingress.before_start:3", "ingress.after_start:3", "ingress.after_commit:2"]
    case.begin(ingresses=3, failpoints=points)
    case.send(Mix(100), seconds=6)
    for ingress in case.ingresses:
        assert ingress.process.wait(60) == -9
    case.ingress()
    case.settle()


@pytest.mark.parametrize("settings", [IMPATIENT_GROUP], ids=["impatient"])
def test_a_member_that_stood_still_too_long_does_not_commit_over_its_heir(case: Case) -> None:
    case.begin(ingresses=2)
    case.send(Mix(120), seconds=8)
    zombie, heir = case.ingresses
    eventually(lambda: assigned(zombie) and assigned(heir), "both have partitions")
    case.wait_sent(20)
    freeze(case, zombie, heir)
    eventually(lambda: assigned(zombie) and assigned(heir), "it comes back as a member like any other")
    assert "lost" in rebalances(zombie)
    case.settle()


def test_members_that_come_and_go_lose_and_repeat_nothing(case: Case) -> None:
    case.begin()
    case.send(Mix(120), seconds=10)
    for _ in range(2):
        guest = case.ingress()
        eventually(lambda guest=guest: assigned(guest), "the guest has partitions")  # type: ignore[misc]
        assert guest.stop() == 0
    case.settle()


def test_a_broker_that_restarts_or_is_killed_costs_time_only(case: Case) -> None:
    case.begin()
    case.send(Mix(100), seconds=6)
    for killed in (False, True):
        case.wait_sent(case.sent() + 10)
        restart(case, KAFKA, killed=killed)
    case.settle()


def test_ingress_survives_an_unreachable_kafka(case: Case) -> None:
    case.begin()
    case.send(Mix(100), seconds=5)
    case.wait_sent(20)
    with unreachable(case, KAFKA, SHORT):
        eventually(lambda: not case.ingresses[0].is_ready(), "it says that it can't consume")
    eventually(case.ingresses[0].is_ready, "it consumes again")
    case.settle()


@pytest.mark.parametrize("settings", [{"TASKFACTORY_MAX_IN_FLIGHT": "10"}], ids=["few-in-flight"])
def test_ingress_stays_in_its_group_while_temporal_is_unreachable(case: Case) -> None:
    case.begin()
    (ingress,) = case.ingresses
    case.send(Mix(150), seconds=5)
    case.wait_sent(20)
    before = rebalances(ingress)
    with unreachable(case, TEMPORAL, SHORT):
        eventually(lambda: ingress.metric("taskfactory_ingress_paused_partitions") > 0, "it stops fetching")
        eventually(lambda: not ingress.is_ready(), "it says that it can't start runs")
    never_left(ingress, before)
    eventually(ingress.is_ready, "it starts runs again")
    case.settle()
    never_left(ingress, before)


def test_a_database_that_restarts_or_is_killed_costs_time_only(case: Case) -> None:
    case.begin()
    case.send(Mix(100), seconds=5)
    for killed in (False, True):
        case.wait_sent(case.sent() + 15)
        restart(case, POSTGRES, killed=killed, seconds_away=1.0)
    case.settle()


def test_a_power_cut_of_all_servers_at_once_loses_nothing(case: Case) -> None:
    case.begin()
    case.send(Mix(100), seconds=4)
    case.wait_sent(30)
    for part in case.chaos.parts.values():
        part.kill()
    start_all(case.chaos.parts.values())
    case.settle()


def test_slow_narrow_reset_and_half_open_connections_lose_and_repeat_nothing(case: Case) -> None:
    case.terms = Terms(late_commits=True)
    case.begin()
    case.send(Mix(100), seconds=8)
    for kind in case.rng.sample(list(TROUBLE), len(TROUBLE)):
        with bad_network(case, kind, seconds=1.0):
            case.wait_sent(case.sent() + 1)
    case.settle()


def test_one_key_with_most_of_the_traffic_and_poison_in_between_holds_up_no_other(case: Case) -> None:
    case.begin(ingresses=2)
    case.send(Mix(200, poison=0.1, visits=0.5, hot=0.9), seconds=2)
    books = case.settle()
    hot = max(books.ends.values()) / sum(books.ends.values())
    assert hot > 0.8, "one partition has most of the records"


def test_a_replay_from_the_first_offset_starts_no_second_run(case: Case) -> None:
    case.begin()
    case.send(Mix(80), seconds=1)
    first = case.settle()
    assert case.ingresses[0].stop() == 0
    case.rewind()
    case.ingress()
    again = case.settle()
    assert {run.run_id for run in again.runs} == {run.run_id for run in first.runs}
    letters = chain.from_iterable([letter.place] * 2 for letter in first.letters)
    assert sorted(letter.place for letter in again.letters) == sorted(letters), "each dead letter is written again"


def test_a_replay_after_temporal_has_forgotten_everything_starts_no_second_run_either(case: Case) -> None:
    case.begin()
    case.send(Mix(60), seconds=1)
    first = case.settle()
    for service in case.platform.services:
        assert service.stop() == 0
    case.terms = Terms(duplicates_claim=True)
    case.rewind()
    # To a namespace that was never used, everything is new; what knows better is the database.
    namespace = case.platform.stack.name("forgetful")
    case.platform.env["TASKFACTORY_TEMPORAL_NAMESPACE"] = namespace
    case.platform.run("migrate")
    case.serve(ingresses=1)
    eventually(lambda: asyncio.run(closed_runs(case, namespace)) == len(first.runs), "every run was tried again")
    again = case.settle()
    assert [run.run_id for run in again.runs] == [run.run_id for run in first.runs]
    assert again.effects == first.effects


async def closed_runs(case: Case, namespace: str) -> int:
    """How many executions of runs have ended in a namespace."""
    client = await Client.connect(case.chaos.direct.temporal_address, namespace=namespace)
    return (await client.count_workflows("WorkflowType = 'RunActivityWorkflow' AND ExecutionStatus != 'Running'")).count
