"""Which revision decides about which records."""

import asyncio
import gc
import weakref

from taskfactory.definitions import DefinitionSet
from taskfactory.ingress.deliveries import Assignment
from taskfactory.ingress.pins import Pins
from taskfactory.intake import InForce
from tests.ingress.fakes import delivery


async def test_a_partition_whose_records_do_not_come_keeps_no_replaced_definitions_alive() -> None:
    pins, future = Pins(), asyncio.get_running_loop().create_future
    old = InForce(1, DefinitionSet([]))
    watched = weakref.ref(old.definitions)
    quiet, busy = Assignment(("events", 0), epoch=1), Assignment(("events", 1), epoch=2)
    pins.pin([delivery(0, assignment=quiet), delivery(0, assignment=busy)], old, future)
    del old
    pins.pin([delivery(1, assignment=busy)], InForce(2, DefinitionSet([])), future)
    gc.collect()
    assert watched() is None


class Watched(Assignment):
    """One that can be watched for whether it is still there."""


async def test_a_partition_that_was_given_away_is_forgotten() -> None:
    pins, future, in_force = Pins(), asyncio.get_running_loop().create_future, InForce(1, DefinitionSet([]))
    gone = Watched(("events", 0), epoch=1)
    watched = weakref.ref(gone)
    pins.pin([delivery(0, assignment=gone)], in_force, future)
    gone.withdrawn = True
    del gone
    pins.pin([delivery(0, assignment=Assignment(("events", 1), epoch=2))], in_force, future)
    gc.collect()
    assert watched() is None
