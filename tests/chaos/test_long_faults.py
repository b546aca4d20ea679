"""The faults that take minutes, each with its books; `make test-chaos` runs them.

Traffic, times, order and choice of the faults follow from the seed. `CHAOS_TEMPORAL_OUTAGE=600` makes Temporal's outage
ten minutes long.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial

import pytest

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
from tests.chaos.stack import KAFKA, PARTS, POSTGRES, TEMPORAL
from tests.chaos.traffic import Mix
from tests.e2e.platform import Service, eventually

LONG = 120.0
"""Seconds of an outage."""
TEMPORAL_OUTAGE = float(os.environ.get("CHAOS_TEMPORAL_OUTAGE", LONG))
DRAIN = 240.0
"""Seconds that a backlog may take."""
FAILPOINTS = ("ingress.before_start", "ingress.after_start", "ingress.after_commit")

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]


@pytest.mark.parametrize("settings", [IMPATIENT_GROUP], ids=["impatient"])
def test_ingresses_that_are_killed_all_the_time_lose_and_repeat_nothing(case: Case) -> None:
    def armed() -> str:
        return f"{case.rng.choice(FAILPOINTS)}:{case.rng.randint(1, 30)}"

    case.begin(ingresses=2, failpoints=[armed(), armed()])
    case.send(Mix(600), seconds=80)
    while case.sent() < 600:
        case.last(case.rng.uniform(3, 7))
        alive = [ingress for ingress in case.ingresses if ingress.process.poll() is None]
        if len(alive) > 1:
            case.rng.choice(alive).kill()
        else:
            case.ingress(failpoints=armed(), ready=False)
    case.ingress()
    case.settle(DRAIN)


@pytest.mark.parametrize("settings", [IMPATIENT_GROUP], ids=["impatient"])
def test_members_that_stand_still_in_turn_do_not_commit_over_each_other(case: Case) -> None:
    case.begin(ingresses=2)
    case.send(Mix(600), seconds=70)
    for _ in range(4):
        eventually(lambda: all(map(assigned, case.ingresses)), "both have partitions")
        case.last(case.rng.uniform(0, 5))
        zombie, heir = case.rng.sample(case.ingresses, 2)
        freeze(case, zombie, heir)
    case.settle(DRAIN)


def test_members_that_come_and_go_every_five_seconds_lose_and_repeat_nothing(case: Case) -> None:
    case.begin(ingresses=2)
    case.send(Mix(800), seconds=90)
    while case.sent() < 800:
        case.last(5)
        running = [ingress for ingress in case.ingresses if ingress.process.poll() is None]
        if len(running) > 1 and (len(running) > 3 or case.rng.random() < 0.5):
            assert case.rng.choice(running).stop() == 0
        else:
            case.ingress(ready=False)
    case.settle(DRAIN)


@pytest.mark.parametrize("part", PARTS)
def test_a_server_that_restarts_and_is_killed_again_and_again_costs_time_only(case: Case, part: str) -> None:
    case.begin(ingresses=2)
    case.send(Mix(400), seconds=50)
    ways = [True, True, False, False]
    case.rng.shuffle(ways)
    for killed in ways:
        case.last(case.rng.uniform(1, 6))
        restart(case, part, killed=killed, seconds_away=case.rng.uniform(0, 6))
    case.settle(DRAIN)


def test_kafka_may_be_unreachable_for_minutes(case: Case) -> None:
    case.begin(ingresses=2)
    case.send(Mix(600), seconds=LONG)
    case.wait_sent(case.rng.randint(20, 100))
    with unreachable(case, KAFKA, LONG):
        for ingress in case.ingresses:
            eventually(lambda ingress=ingress: not ingress.is_ready(), "it says that it can't consume")  # type: ignore[misc]
    case.settle(DRAIN)


@pytest.mark.timeout(600 + TEMPORAL_OUTAGE)
@pytest.mark.parametrize("settings", [{"TASKFACTORY_MAX_IN_FLIGHT": "100"}], ids=["few-in-flight"])
def test_temporal_may_be_unreachable_for_minutes_without_a_rebalance(case: Case) -> None:
    case.begin(ingresses=2)
    case.send(Mix(1000), seconds=60)
    case.wait_sent(case.rng.randint(20, 100))
    before = list(map(rebalances, case.ingresses))
    with unreachable(case, TEMPORAL, TEMPORAL_OUTAGE):
        for ingress in case.ingresses:
            eventually(partial(ingress.metric, "taskfactory_ingress_paused_partitions"), "it stops fetching")
    for ingress, changes in zip(case.ingresses, before, strict=True):
        never_left(ingress, changes)
    case.settle(DRAIN)


def test_a_network_that_is_bad_in_every_way_loses_and_repeats_nothing(case: Case) -> None:
    case.terms = Terms(late_commits=True)
    case.begin(ingresses=2)
    case.send(Mix(500), seconds=80)
    for kind in case.rng.sample([*TROUBLE, *TROUBLE], 2 * len(TROUBLE)):
        with bad_network(case, kind, seconds=case.rng.uniform(3, 8)):
            case.wait_sent(case.sent() + 1)
    case.settle(DRAIN)


def test_one_key_with_most_of_the_traffic_survives_the_loss_of_its_owner(case: Case) -> None:
    case.begin(ingresses=3)
    case.send(Mix(1000, poison=0.1, visits=0.4, hot=0.9), seconds=25)
    for _ in range(2):
        case.wait_sent(case.sent() + 200)
        alive = [ingress for ingress in case.ingresses if ingress.process.poll() is None]
        max(alive, key=lambda ingress: ingress.metric("taskfactory_ingress_records_total")).kill()
    case.settle(DRAIN)


def test_everything_that_can_break_breaks_in_any_order(case: Case) -> None:
    case.terms = Terms(late_commits=True)
    case.begin(ingresses=2)
    case.send(Mix(800), seconds=150)

    def an_ingress() -> Service:
        return case.rng.choice([ingress for ingress in case.ingresses if ingress.process.poll() is None])

    def lose_a_member() -> None:
        case.ingress(ready=False)
        an_ingress().kill()

    def frozen_server() -> None:
        server = case.chaos.parts[case.rng.choice(PARTS)]
        server.pause()
        case.last(case.rng.uniform(2, 9))
        server.resume()

    def out_of_reach() -> None:
        with unreachable(case, case.rng.choice(PARTS), case.rng.uniform(2, 12)):
            pass

    def bad_connections() -> None:
        with bad_network(case, case.rng.choice(list(TROUBLE)), case.rng.uniform(2, 8)):
            pass

    def restarted_server() -> None:
        part, killed = case.rng.choice((KAFKA, TEMPORAL, POSTGRES)), case.rng.random() < 0.5
        restart(case, part, killed=killed, seconds_away=case.rng.uniform(0, 4))

    faults: Mapping[str, Callable[[], None]] = {
        "lose a member": lose_a_member,
        "frozen server": frozen_server,
        "out of reach": out_of_reach,
        "bad connections": bad_connections,
        "restarted server": restarted_server,
    }
    while case.sent() < 800:
        name = case.rng.choice(list(faults))
        print(f"after {case.sent()} records: {name}")  # noqa: T201 -- shown when it fails
        faults[name]()
        case.last(case.rng.uniform(0, 4))
    case.settle(DRAIN)
