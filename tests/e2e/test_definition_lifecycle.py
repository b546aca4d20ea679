"""What happens to definitions, as seen by live events: shadow versions, deletion, and runs that are open meanwhile."""

from collections.abc import Iterator

import pytest

from taskfactory.definitions import load_definitions
from taskfactory.registry import DefinitionStore, open_engine
from tests.e2e.platform import Platform, Service, as_json, event, eventually

NOTE = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: NAME
trigger: {type: event, match: {type: [test.order]}, WHEN}
tasks:
  - {name: note, type: activity, handler: note, queue: "QUEUE", params: {number: NUMBER}}
"""


@pytest.fixture
def store(platform: Platform) -> Iterator[DefinitionStore]:
    engine = open_engine(platform.database_url)
    yield DefinitionStore(engine)
    engine.dispose()


def apply(  # noqa: PLR0913 -- what tells definitions apart
    platform: Platform, store: DefinitionStore, name: str, *, number: int = 1, when: str = "", shadow: bool = False
) -> None:
    """A definition whose runs note a number; `when` as in a trigger."""
    text = NOTE.replace("NAME", name).replace("NUMBER", str(number)).replace("QUEUE", platform.queue)
    condition = f"when: '{when}'" if when else ""
    store.apply(load_definitions(text.replace("WHEN", condition), name), "tests", shadow=shadow)


def reloaded(service: Service, store: DefinitionStore) -> None:
    """Until ingress decides by what is in the registry now."""
    revision = store.revision()
    eventually(lambda: service.metric("taskfactory_ingress_definitions_revision") >= revision, "it has reloaded")


def disposed(platform: Platform) -> None:
    eventually(lambda: platform.committed() == platform.end_offsets(), "every offset is committed")


def test_a_shadow_version_sees_live_events_and_starts_nothing_until_it_is_promoted(
    platform: Platform, store: DefinitionStore
) -> None:
    apply(platform, store, "noting")
    apply(platform, store, "noting", when="event.data.number > 3", shadow=True)
    apply(platform, store, "alone", when="event.nothing > 1", shadow=True)
    service = platform.start("run")
    platform.worker()
    platform.send([event(n) for n in range(1, 6)])
    disposed(platform)
    eventually(lambda: len(platform.effects()) == 5, "the active version has noted five")
    report = store.shadow_report("noting")
    assert (report.version, report.both, report.only_active, report.only_shadow, report.errors) == (2, 2, 3, 0, 0)
    assert {example.comparison for example in report.examples} == {"both", "only_active"}
    assert store.shadow_report("alone").errors == 5
    assert platform.records(platform.dlq_topic) == []
    assert platform.query("SELECT DISTINCT activity_name, version FROM activity_runs") == [("noting", 1)]
    assert service.metric("taskfactory_ingress_shadow_versions") == 2
    found = as_json(platform.run("audit", "-t", platform.topic, "--from", "earliest", "-o", "json"))
    assert (found["verdict"], {row["definition"] for row in found["definitions"]}) == ("balanced", {"noting"})
    told = platform.run("explain", "-t", platform.topic, "--event", "-", stdin=event(7).model_dump_json().encode())
    assert "shadow version, starts nothing: it would take the event" in told.stdout
    store.promote("noting", "tests")
    reloaded(service, store)
    platform.send([event(n) for n in range(2, 12, 2)])
    disposed(platform)
    eventually(lambda: len(platform.effects()) == 8, "6, 8 and 10 are noted; 2 is not taken any more, 4 is known")
    assert platform.query("SELECT version, count(*) FROM activity_runs GROUP BY 1 ORDER BY 1") == [(1, 5), (2, 3)]


def test_a_deleted_definition_starts_nothing_and_applied_again_does_not_fire_what_it_fired_before(
    platform: Platform, store: DefinitionStore
) -> None:
    apply(platform, store, "noting")
    service = platform.start("run")
    platform.worker()
    platform.send([event(1)])
    disposed(platform)
    store.remove(["noting"], "tests")
    reloaded(service, store)
    platform.send([event(2)])
    disposed(platform)
    apply(platform, store, "noting")
    reloaded(service, store)
    platform.send([event(1), event(3)])
    disposed(platform)
    runs = eventually(
        lambda: len(found := platform.query("SELECT event_id, version FROM activity_runs ORDER BY 1")) == 2 and found,
        "there are runs of the first and of the third event",
    )
    assert runs == [(event(1).id, 1), (event(3).id, 2)]
    found = as_json(platform.run("audit", "-t", platform.topic, "--from", "earliest", "-o", "json"))
    assert found["verdict"] == "balanced"
    store.remove(["noting"], "tests")
    platform.run("audit", "-t", platform.topic, "--from", "earliest", "--definition", "noting")


def test_an_open_run_goes_on_in_the_version_that_matched_whatever_happens_to_its_definition(
    platform: Platform, store: DefinitionStore
) -> None:
    apply(platform, store, "noting", number=1)
    service = platform.start("run")
    platform.send([event(1)])  # nobody works yet, so its task stays open
    eventually(lambda: platform.scalar("SELECT count(*) FROM tasks WHERE state = 'scheduled'") == 1, "a task is open")
    apply(platform, store, "noting", number=2)
    store.disable(["noting"], "tests")
    store.rollback("noting", 2, "tests")
    store.remove(["noting"], "tests")
    reloaded(service, store)
    platform.worker()
    eventually(lambda: platform.scalar("SELECT count(*) FROM activity_runs WHERE state = 'completed'") == 1, "it ends")
    assert platform.query("SELECT version FROM activity_runs") == [(1,)]
    assert platform.query("SELECT result FROM tasks") == [({"noted": {"number": 1}},)]
    completed = eventually(lambda: [o for o in platform.outcomes() if "run" in o.type], "its outcome is published")
    assert [outcome.data["activity"]["version"] for outcome in completed] == [1]
