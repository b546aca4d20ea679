"""Which revision decided from which offset on."""

from uuid import uuid4

from sqlalchemy import Engine

from taskfactory.registry import IngressRevision, IngressRevisions


def test_the_lines_of_a_partition_come_back_in_the_order_in_which_they_were_written(engine: Engine) -> None:
    log, group = IngressRevisions(engine), f"group-{uuid4()}"
    lines = [IngressRevision(group, "events", 0, offset, revision, "m-1") for offset, revision in ((0, 7), (40, 9))]
    log.put([*lines, IngressRevision(group, "events", 1, 3, 9, "m-1")])
    again = IngressRevision(group, "events", 0, 20, 9, "m-2")
    log.put([again])
    found = log.of_partition(group, "events", 0)
    assert [(line.from_offset, line.revision, line.member) for line in found] == [
        (0, 7, "m-1"),
        (40, 9, "m-1"),
        (20, 9, "m-2"),
    ]
    assert all(line.at is not None for line in found)
    assert log.of_partition("another group", "events", 0) == []
