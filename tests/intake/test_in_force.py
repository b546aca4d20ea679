"""What decides about records, brought up to date by what changed."""

from dataclasses import replace

from taskfactory.intake import InForce
from taskfactory.registry import DefinitionChanges
from tests.intake.test_decisions import definition

ORDERS = definition("orders", {"type": ["order"]})
BETTER = replace(ORDERS, version=3)


def versions(in_force: InForce) -> tuple[list[int], list[int]]:
    """Of what decides, and of what is only asked."""
    return (
        [item.version for item in in_force.definitions.definitions],
        [item.version for item in in_force.shadows.definitions],
    )


def test_a_shadow_version_is_asked_from_its_change_to_the_change_that_ends_it() -> None:
    alone = InForce.nothing().updated(DefinitionChanges(1, [], [ORDERS.id], shadows=[ORDERS]))
    assert versions(alone) == ([], [2])
    promoted = alone.updated(DefinitionChanges(2, [ORDERS], [], shadows_gone=[ORDERS.id]))
    assert versions(promoted) == ([2], [])
    beside = promoted.updated(DefinitionChanges(3, [ORDERS], [], shadows=[BETTER]))
    assert versions(beside) == ([2], [3])
    assert versions(beside.updated(DefinitionChanges(4, [], []))) == ([2], [3])
    assert versions(beside.updated(DefinitionChanges(5, [], [ORDERS.id], shadows_gone=[ORDERS.id]))) == ([], [])
