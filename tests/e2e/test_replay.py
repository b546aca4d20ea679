"""What a definition missed can be replayed: before there was one, while it was paused or disabled; each event once."""

import signal
import subprocess
from collections import Counter
from typing import Any

from tests.e2e.in_process import call, call_for_json
from tests.e2e.platform import COMMAND, ROOT, Platform, event, eventually

DEFINITION = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: {name}
enabled: {enabled}
trigger: {{type: event, match: {{type: [{kind}]}}{more}}}
tasks:
  - {{name: note, type: activity, handler: note, queue: nobody}}
"""


def apply(platform: Platform, name: str, *, kind: str = "test.order", enabled: bool = True, more: str = "") -> None:
    platform.apply(DEFINITION.format(name=name, kind=kind, enabled=str(enabled).lower(), more=more))


def runs(platform: Platform) -> Counter[str]:
    return Counter(name for (name,) in platform.query("SELECT activity_name FROM activity_runs"))


def replay(platform: Platform, name: str, *arguments: str, start: str = "earliest") -> dict[str, Any]:
    """What a replay counted."""
    [counts] = call_for_json(platform, "replay", "-D", name, "-t", platform.topic, "--from", start, *arguments)
    assert isinstance(counts, dict)
    return counts


def read_by_ingress(platform: Platform) -> bool:
    return platform.committed() == platform.end_offsets()


def test_history_is_started_once_for_a_definition_that_did_not_exist_was_paused_or_was_disabled(
    platform: Platform,
) -> None:
    platform.apply(DEFINITION.format(name="first", kind="test.order", enabled="true", more=""))
    platform.start("run")
    platform.send([event(number) for number in range(12)])
    platform.send([event(100, kind="test.other")])
    eventually(lambda: runs(platform) == {"first": 12}, "the events' own runs")

    # A definition that did not exist: ingress leaves what is older alone, a replay does not.
    apply(platform, "late")
    dlq, ends = platform.records(platform.dlq_topic), platform.end_offsets()
    rehearsed = replay(platform, "late", "--dry-run")
    assert (rehearsed["read"], rehearsed["matched"], rehearsed["filtered"]) == (13, 12, 1)
    unasked = call(platform, "replay", "-D", "late", "-t", platform.topic, "--from", "earliest", status=2)
    assert unasked.stderr.startswith(f"Up to 13 records of '{platform.topic}' would be read")
    assert runs(platform) == {"first": 12}
    done = replay(platform, "late", "--yes")
    assert done == rehearsed | {"started": 12}
    eventually(lambda: runs(platform) == {"first": 12, "late": 12}, "the replayed runs")
    again = replay(platform, "late", "--yes")
    assert (again["started"], again["already_started"]) == (0, 12)

    # Paused: what matches meanwhile is left for a replay, which need not wait for the resumption.
    assert call(platform, "pause", "late", "--because", "maintenance").stdout == "paused late\n"
    assert call(platform, "pause", "late").stdout == "late was paused already\n"
    states = {row["name"]: row["state"] for row in call_for_json(platform, "get", "definitions")}
    assert states == {"first": "enabled", "late": "paused"}
    platform.send([event(number) for number in range(20, 25)])
    eventually(lambda: runs(platform)["first"] == 17 and read_by_ingress(platform), "the other one's runs")
    assert runs(platform)["late"] == 12
    assert replay(platform, "late", "--yes", start="1h")["started"] == 5
    eventually(lambda: runs(platform)["late"] == 17, "what was missed")
    assert call(platform, "resume", "late").stdout == "resumed late\n"
    platform.send([event(30)])
    eventually(lambda: runs(platform) == {"first": 18, "late": 18}, "both start again")

    # Disabled: it is refused, and enabled again it gets what it missed.
    apply(platform, "late", enabled=False)
    refused = call(platform, "replay", "-D", "late", "-t", platform.topic, "--from", "1h", status=2)
    assert refused.stderr.startswith("late is disabled: apply it with `enabled: true`.")
    platform.send([event(40), event(41)])
    eventually(lambda: runs(platform)["first"] == 20 and read_by_ingress(platform), "the other one's runs")
    apply(platform, "late")
    missed = replay(platform, "late", "--yes")
    assert (missed["started"], missed["already_started"]) == (2, 18)
    eventually(lambda: runs(platform) == {"first": 20, "late": 20}, "all of it, once")

    assert platform.records(platform.dlq_topic) == dlq == []
    assert sum(platform.end_offsets().values()) == sum(ends.values()) + 8


def test_what_a_replay_fails_on_becomes_dead_letters_of_that_definition(platform: Platform) -> None:
    apply(platform, "first")
    platform.send([event(1, data={"limit": 5}), event(2, data={})])
    apply(platform, "strict", more=', when: "event.data.limit > 1"')
    done = call(platform, "replay", "-D", "strict", "-t", platform.topic, "--from", "earliest", status=1)
    assert done.stderr.startswith("strict failed on 1 record; `taskfactory dlq list -D strict` says why.")
    [letter] = call_for_json(platform, "dlq", "list", "-D", "strict")
    assert (letter["reason"], letter["attempts"]) == ("when_error", 1)


def test_a_replay_says_what_can_not_be_replayed(platform: Platform) -> None:
    def refused(*arguments: str, status: int = 2) -> str:
        return call(platform, "replay", *arguments, status=status).stderr

    platform.apply(DEFINITION.format(name="narrow", kind="test.order", enabled="true", more=", topics: [elsewhere]"))
    asked = "-t", platform.topic, "--from"
    assert "There is no definition named 'none'." in refused("-D", "none", *asked, "earliest", status=1)
    assert "narrow takes events from elsewhere only" in refused("-D", "narrow", *asked, "earliest")
    assert "--from: found 'yesterday'; allowed are earliest, latest" in refused("-D", "narrow", *asked, "yesterday")
    assert "--to: found 'x'" in refused("-D", "narrow", *asked, "1h", "--to", "x")
    apply(platform, "wide")
    assert "There is no topic 'nowhere' at " in refused("-D", "wide", "-t", "nowhere", "--from", "earliest", status=1)
    assert "has no partition 9" in refused("-D", "wide", *asked, "earliest", "--partition", "9", status=1)


def test_a_replay_can_be_interrupted_and_taken_up_again(platform: Platform) -> None:
    platform.send([event(number) for number in range(40)])
    apply(platform, "late")
    command = [str(COMMAND), "replay", "-D", "late", "-t", platform.topic, "--from", "earliest", "--yes"]
    process = subprocess.Popen(
        [*command, "--rate", "5"],
        env=platform.env,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    platform.start("orchestrator")
    eventually(lambda: runs(platform)["late"] >= 3, "some have started")
    process.send_signal(signal.SIGINT)
    told, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "STARTED" in told
    assert "Run it again to go on." in said
    done = replay(platform, "late", "--yes", "--rate", "1000")
    assert done["started"] + done["already_started"] == done["read"] == 40
    assert done["already_started"] >= 3
    eventually(lambda: runs(platform) == {"late": 40}, "each once")
