import asyncio

from taskfactory.ingress.decision_room import DecisionRoom
from tests.ingress.fakes import PATIENCE


async def test_a_full_room_is_waited_for_until_somebody_leaves() -> None:
    room = DecisionRoom(limit=10)
    with room.taken(4):
        await asyncio.wait_for(room.wait(lambda: False), PATIENCE)
        with room.taken(100):
            waiting = [asyncio.create_task(room.wait(lambda: False)) for _ in range(3)]
            await asyncio.sleep(0)
            assert not any(each.done() for each in waiting)
        await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE)


async def test_who_waits_for_nothing_any_longer_does_not_wait_for_room() -> None:
    room = DecisionRoom(limit=1)
    with room.taken(1):
        await asyncio.wait_for(room.wait(lambda: True), PATIENCE)
