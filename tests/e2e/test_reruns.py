"""`taskfactory runs rerun`: failed runs run again once each, in the present version, from what is known of them."""

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.e2e.platform import Platform, as_json, eventually
from tests.e2e.test_dedupe import forget, on, send_one_by_one, settled

BROKEN = """
---
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: {name}
trigger: {{type: event, match: {{type: [test.order]}}}}
dedupe: {{key: {key}, window: {window}}}
tasks:
  - {{name: never, type: activity, handler: note, queue: nobody, when: event.data.missing}}
"""
WINDOWED = BROKEN.format(name="windowed", key="subject", window="7d")
BY_EVENT = BROKEN.format(name="by-event", key="event_id", window="forever")
BY_SUBJECT = BROKEN.format(name="by-subject", key="subject", window="forever")


def mended(definition: str) -> str:
    return definition.replace("event.data.missing", '"false"')


def rows(platform: Platform) -> list[tuple[object, ...]]:
    """What is known of each run, in the order of their starts."""
    return platform.query(
        "SELECT activity_name, event_id, generation, version, state FROM activity_runs ORDER BY started_at, run_id"
    )


def test_failed_runs_are_run_again_once_each_in_the_present_version(platform: Platform) -> None:
    platform.apply(WINDOWED + BY_EVENT)
    platform.start("orchestrator")
    ingress = platform.start("ingress")
    send_one_by_one(platform, ingress, [on(0, "a"), on(8, "c")])
    failed = rows(platform)
    assert [state for *_, state in failed] == ["failed"] * 4
    platform.apply(mended(WINDOWED + BY_EVENT))

    rerun = ["runs", "rerun", "--failed", "--since", "1h", "--rate", "50"]
    dry = platform.run(*rerun, "--dry-run")
    assert dry.stdout.splitlines()[-1] == "4 would start"
    assert "windowed@2" in dry.stdout
    assert rows(platform) == failed
    assert platform.query("SELECT 1 FROM dedupe_releases") == []
    assert platform.run("runs", "rerun", "--failed", "--until", "1h").stdout.splitlines()[-1] == "no failed run fits"

    done = platform.run(*rerun)
    assert done.stdout.splitlines()[-1] == "4 started"
    eventually(lambda: len(rows(platform)) == 8, "all run again")
    settled(platform)
    assert sorted(rows(platform)[4:]) == [
        ("by-event", "event-a", 2, 2, "skipped"),
        ("by-event", "event-c", 2, 2, "skipped"),
        ("windowed", "event-a", 2, 2, "skipped"),
        ("windowed", "event-c", 3, 2, "skipped"),
    ]
    offsets = platform.query("SELECT DISTINCT trigger ->> 'offset', event_id FROM activity_runs ORDER BY 1")
    assert offsets == [("0", "event-a"), ("1", "event-c")], "the trigger is the event's record"
    assert platform.run(*rerun).stdout.splitlines()[-1] == "4 skipped"
    assert len(rows(platform)) == 8

    send_one_by_one(platform, ingress, [on(14, "d")])
    assert len(rows(platform)) == 9, "only by event: the newest window of the order is day 8's, whatever ran again"
    shown = platform.run("get", "runs", "--definition", "by-event").stdout
    assert "GENERATION" in shown.splitlines()[0]


def test_what_temporal_forgot_is_read_from_its_record_and_what_kafka_forgot_too_is_said_to_be_gone(
    platform: Platform,
) -> None:
    platform.apply(BY_SUBJECT + BY_EVENT)
    platform.start("orchestrator")
    ingress = platform.start("ingress")
    send_one_by_one(platform, ingress, [on(0, "a")])
    forget(platform, 2)
    # A later event of the same subject takes the workflow id that Temporal forgot, and ends as a duplicate.
    send_one_by_one(platform, ingress, [on(1, "b")])
    assert [row[:2] for row in rows(platform) if row[0] == "by-subject"] == [("by-subject", "event-a")]
    platform.apply(mended(BY_SUBJECT))

    done = as_json(platform.run("runs", "rerun", "--failed", "-D", "by-subject", "-o", "json"))
    assert [(item["result"], item["version"]) for item in done] == [("started", 2)]
    eventually(lambda: ("by-subject", "event-a", 2, 2, "skipped") in rows(platform), "the event's own record is used")

    ingress.stop()
    admin = AdminClient({"bootstrap.servers": platform.stack.endpoints.kafka_bootstrap_servers})
    by_event = str(platform.scalar("SELECT run_id FROM activity_runs WHERE activity_name = 'by-event' LIMIT 1"))
    oldest = ["runs", "rerun", "--run", by_event]
    for future in admin.delete_topics([platform.topic]).values():
        future.result(30)
    eventually(lambda: platform.topic not in admin.list_topics(timeout=10).topics, "the topic is gone")
    gone = platform.run(*oldest, check=False)
    assert gone.returncode == 1
    assert f"Temporal has forgotten the run, and there is no topic '{platform.topic}'" in gone.stdout
    for future in admin.create_topics([NewTopic(platform.topic, platform.partitions, 1)]).values():
        future.result(30)
    gone = platform.run(*oldest, check=False)
    assert gone.returncode == 1
    assert f"and there is no record at {platform.topic}/" in gone.stdout
    platform.send([on(20, "x")])
    gone = platform.run(*oldest, "--run", "no-such-run", check=False)
    assert gone.returncode == 1
    assert "is another event's now" in gone.stdout
    assert gone.stdout.splitlines()[-1] == "1 gone, 1 unknown"
