"""What an author reads when a file is wrong: every error, each at its place, with what is allowed."""

import json
import time
from typing import Any

import pytest

from taskfactory.definitions import (
    DocumentLimits,
    InvalidDefinitions,
    load_definitions,
    load_documents,
    parse_definition,
    trusted_definition,
)
from taskfactory.definitions.durations import InvalidDuration, parse_duration
from tests.definitions.samples import activity, document

DURATIONS = "allowed is a duration from 1ms to 3650d, such as 500ms, 30s, 5m, 4h, 7d or 1h30m"
GOOD = """\
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: order
trigger: {type: event, match: {type: [placed]}}
tasks:
  - {name: reserve, type: activity, handler: h, queue: q}
"""


def errors(text: str) -> list[str]:
    with pytest.raises(InvalidDefinitions) as caught:
        load_definitions(text, "shop.yaml")
    return [str(error) for error in caught.value.errors]


def problems(**fields: Any) -> list[str]:
    with pytest.raises(InvalidDefinitions) as caught:
        parse_definition(document(**fields), "row")
    return [str(error).removeprefix("row: ") for error in caught.value.errors]


def test_a_file_holds_several_definitions_and_empty_documents_do_not_count() -> None:
    text = f"---\n{GOOD}---\n---\n{GOOD.replace('name: order', 'name: other')}---\n"
    assert [definition.name for definition in load_definitions(text, "x")] == ["order", "other"]


def test_json_is_read_too() -> None:
    text = json.dumps(document(description="a\tb 🦊 ☃ \\/"), indent="\t")
    [definition] = load_definitions(text, "x.json")
    assert definition == parse_definition(document(description="a\tb 🦊 ☃ \\/"))


def test_the_canonical_form_is_read_back_as_the_same_definition() -> None:
    [definition] = load_definitions(GOOD, "x")
    canonical = definition.to_dict()
    assert parse_definition(canonical) == definition
    assert parse_definition(canonical).to_dict() == canonical
    assert json.loads(json.dumps(canonical)) == canonical


def test_defaults_are_written_out_and_absent_fields_are_left_out() -> None:
    assert load_definitions(GOOD, "x")[0].to_dict() == {
        "apiVersion": "taskfactory/v1",
        "kind": "ActivityDefinition",
        "name": "order",
        "enabled": True,
        "trigger": {"type": "event", "match": {"type": ["placed"]}},
        "dedupe": {"key": "event_id", "window": "forever"},
        "context": [],
        "tasks": [
            {
                "name": "reserve",
                "queue": "q",
                "params": {},
                "type": "activity",
                "handler": "h",
                "timeout": "5m",
                "schedule_to_close": "24h",
                "retry": {"initial_interval": "1s", "backoff": 2.0, "max_interval": "1m"},
            }
        ],
        "outcomes": {"of": ["task", "run"]},
    }


@pytest.mark.parametrize("queue", ["_sys", "/sys/warehouse", "a/_sys/b", "/_SYS/a", "/_sys"])
def test_only_the_reserved_prefix_itself_is_kept_from_queues(queue: str) -> None:
    assert parse_definition(document(tasks=[activity(queue=queue)])).tasks[0].queue == queue


def test_a_null_that_the_author_wrote_as_a_value_stays() -> None:
    fields: dict[str, Any] = {
        "context": [{"name": "nothing", "type": "static", "value": None}],
        "tasks": [activity(params={"a": None})],
    }
    canonical = parse_definition(document(**fields)).to_dict()
    assert canonical["context"][0]["value"] is None
    assert canonical["tasks"][0]["params"] == {"a": None}


def test_every_error_of_a_file_is_listed_at_its_place() -> None:
    text = GOOD.replace("name: order", "nmae: order").replace("{name: reserve,", "{name: Reserve, when: 1 +,")
    second = GOOD.replace("type: [placed]", "type: placed").replace("queue: q", "queue: q, timeout: 5x")
    assert errors(f"{text}---\n{second}") == [
        "shop.yaml:1:1: name: this field is required",
        (
            "shop.yaml:3:1: nmae: unknown field 'nmae'; did you mean 'name'? allowed here are apiVersion, kind, name, "
            "description, enabled, trigger, dedupe, context, tasks, outcomes"
        ),
        "shop.yaml:6:12: tasks[0].name: found 'Reserve'; allowed are lowercase letters, digits and hyphens",
        "shop.yaml:6:27: tasks[0].when: line 1, column 4: Syntax error: mismatched input '<EOF>'\n | 1 +\n | ...^",
        (
            "shop.yaml:11:38: trigger.match.type: found 'placed'; allowed is a list of values, such as ['placed'], "
            "or a mapping"
        ),
        (f"shop.yaml:13:68: tasks[0].timeout: found '5x'; {DURATIONS}"),
    ]


def test_errors_carry_their_fields() -> None:
    with pytest.raises(InvalidDefinitions) as caught:
        load_definitions(GOOD.replace("queue: q", "queue: 5"), "shop.yaml")
    [error] = caught.value.errors
    assert (error.origin, error.line, error.column) == ("shop.yaml", 6, 56)
    assert (error.path, error.message) == ("tasks[0].queue", "found 5; allowed is text")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        # what later versions bring is refused, not ignored
        ({"trigger": {"type": "clock"}}, "trigger.type: found 'clock'; allowed here are 'event', 'cron'"),
        (
            {"tasks": [{"name": "a", "type": "human", "title": "x"}]},
            "tasks[0].type: found 'human'; allowed here are 'activity', 'workflow'",
        ),
        (
            {"context": [{"name": "a", "type": "kafka", "topic": "crm"}]},
            "context[0].type: found 'kafka'; allowed here are 'event', 'static', 'http', 'sql', 'runs', 'plugin'",
        ),
        (
            {"dedupe": {"window": "a week"}},
            (
                "dedupe.window: found 'a week'; allowed is a duration from 1ms to 3650d, such as 500ms, 30s, 5m, 4h, "
                "7d or 1h30m, or forever"
            ),
        ),
        (
            {"execution": "batched"},
            (
                "execution: unknown field 'execution'; allowed here are apiVersion, kind, name, description, enabled, "
                "trigger, dedupe, context, tasks, outcomes"
            ),
        ),
        # shapes
        ({"apiVersion": "v2"}, "apiVersion: found 'v2'; allowed here is 'taskfactory/v1'"),
        ({"enabled": "yes"}, "enabled: found 'yes'; allowed is true or false"),
        ({"name": "x" * 121}, f"name: found '{'x' * 60}…'; allowed are at most 120 characters"),
        (
            {"name": "Order Fulfilment"},
            "name: found 'Order Fulfilment'; allowed are lowercase letters, digits and hyphens",
        ),
        ({"tasks": []}, "tasks: found [] with 0 elements; allowed are at least 1"),
        ({"tasks": {}}, "tasks: found {}; allowed is a list"),
        ({"tasks": [5]}, "tasks[0]: found 5; allowed is a mapping"),
        ({"tasks": [{"name": "a"}]}, "tasks[0].type: this field is required; allowed here are 'activity', 'workflow'"),
        (
            {"dedupe": {"key": "event"}},
            (
                "dedupe.key: found 'event'; did you mean 'event_id'? "
                "allowed here are 'event_id', 'subject', {expression: <CEL>}"
            ),
        ),
        (
            {"dedupe": {"key": {"expresion": "event.id"}}},
            "dedupe.key.expression: this field is required",
        ),
        (
            {"outcomes": {"of": ["tasks"]}},
            "outcomes.of[0]: found 'tasks'; did you mean 'task'? allowed here are 'task', 'run'",
        ),
        (
            {"outcomes": {"topic": "a b"}},
            "outcomes.topic: found 'a b'; allowed are letters, digits, dots, underscores and hyphens",
        ),
        # tasks
        (
            {"tasks": [activity(retry={"max_attempts": 0})]},
            "tasks[0].retry.max_attempts: found 0; allowed is 1 or more",
        ),
        ({"tasks": [activity(retry={"backoff": True})]}, "tasks[0].retry.backoff: found true; allowed is a number"),
        (
            {"tasks": [activity(retry={"max_interval": "10ms"})]},
            "tasks[0].retry: found max_interval 10ms below initial_interval 1s",
        ),
        (
            {"tasks": [activity(timeout="48h")]},
            "tasks[0]: found timeout 48h, longer than schedule_to_close 24h, which would end it earlier",
        ),
        (
            {"tasks": [activity(heartbeat="10m")]},
            "tasks[0]: found heartbeat 10m, longer than timeout 5m, which would end it earlier",
        ),
        (
            {"tasks": [activity(timeout=30)]},
            f"tasks[0].timeout: found 30; {DURATIONS}",
        ),
        (
            {"tasks": [{"name": "a", "type": "workflow", "workflow": "W", "queue": "q", "heartbeat": "5s"}]},
            (
                "tasks[0].heartbeat: unknown field 'heartbeat'; allowed here are name, queue, when, foreach, params, "
                "type, workflow, timeout, retry"
            ),
        ),
        (
            {"tasks": [activity(queue="/_sys/warehouse/1")]},
            (
                "tasks[0].queue: found '/_sys/warehouse/1'; Temporal reserves names that start with '/_sys/', "
                "choose another"
            ),
        ),
        (
            {"tasks": [{"name": "a", "type": "workflow", "workflow": "W", "queue": "/_sys/"}]},
            "tasks[0].queue: found '/_sys/'; Temporal reserves names that start with '/_sys/', choose another",
        ),
        ({"tasks": [activity(queue="a b")]}, "tasks[0].queue: found 'a b'; allowed are text without spaces"),
        ({"tasks": [activity(), activity()]}, "tasks[1].name: found 'reserve' again; names are unique within tasks"),
        # patterns, expressions and templates
        (
            {"match": {"a": {"b.c": [{"suffx": "x"}]}}},
            (
                "trigger.match.a[\"b.c\"][0].suffx: unknown operator 'suffx'; did you mean 'suffix'? allowed here are "
                "prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, cidr, exists"
            ),
        ),
        (
            {"when": "context.a == 1"},
            (
                "trigger.when: line 1, column 8: undeclared reference to 'context.a'\n | context.a == 1\n | .......^\n"
                "known here: event"
            ),
        ),
        (
            {"tasks": [activity(params={"lines": [{"sku": "${item.sku}"}]})]},
            (
                "tasks[0].params.lines[0].sku: line 1, column 5: undeclared reference to 'item.sku'\n"
                " | item.sku\n | ....^\n"
                "known here: event"
            ),
        ),
        (
            {"tasks": [activity(foreach="item.lines")]},
            (
                "tasks[0].foreach: line 1, column 5: undeclared reference to 'item.lines'\n"
                " | item.lines\n | ....^\nknown here: event"
            ),
        ),
        (
            {"tasks": [activity(params={"a": "x ${event.id"})]},
            "tasks[0].params.a: found ${ at character 3 without its }; write $${ for a literal ${",
        ),
        (
            {"tasks": [activity(params={"${event.id}": 1})]},
            'tasks[0].params["${event.id}"]: found ${…} in a key; templates are allowed in values only',
        ),
        (
            {"context": [{"name": "in", "type": "static", "value": 1}]},
            "context[0].name: found 'in', a reserved word of CEL; choose another name",
        ),
        (
            {
                "context": [
                    {"name": "a", "type": "event", "expression": "context.b"},
                    {"name": "b", "type": "static", "value": 1},
                ]
            },
            (
                "context[0].expression: line 1, column 8: undeclared reference to 'context.b'\n"
                " | context.b\n | .......^\n"
                "known here: event"
            ),
        ),
    ],
)
def test_a_refusal_says_what_was_found_and_what_is_allowed(fields: dict[str, Any], sentence: str) -> None:
    assert problems(**fields)[0] == sentence


def test_a_wrong_type_is_told_once_and_not_through_everything_that_follows_from_it() -> None:
    assert len(problems(trigger={"type": "clock", "cron": ["0 9 * * *"], "timezone": "Europe/Berlin"})) == 1


def test_names_are_visible_from_where_they_are_declared() -> None:
    parse_definition(
        document(
            context=[
                {"name": "a", "type": "event", "expression": "event.id"},
                {"name": "b", "type": "static", "value": {"deep": ["${context.a}"]}},
            ],
            tasks=[
                activity(foreach="context.b.deep", when="item != '' && index >= 0", params={"x": "${item}${index}"})
            ],
        )
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "shop.yaml:1:1: found no definition; allowed is at least one"),
        ("- a", 'shop.yaml:1:1: found ["a"]; allowed is a mapping'),
        (
            "a: [1\nb: 2",
            "shop.yaml:2:2: this is not YAML: while parsing a flow sequence, expected ',' or ']', but got ':'",
        ),
        ("a: *nope", "shop.yaml:1:4: this is not YAML: found undefined alias 'nope'"),
        ("a: \x01", "shop.yaml:1:1: this is not YAML: unacceptable character #x0001"),
        ("[" * 1_000, "shop.yaml:1:1: found deeper nesting than can be read; allowed are at most 50 levels"),
        ("a: &x [*x]", "shop.yaml:1:4: a: found 51 levels; allowed are at most 50 levels (TASKFACTORY_MAX_YAML_DEPTH)"),
        (GOOD + "name: again\n", "shop.yaml:7:1: name: found the key 'name' again; the first is in line 3"),
        (GOOD + "5: x\n", "shop.yaml:7:1: found 5 as a key; keys are text, put it in quotes"),
        (GOOD + "<<: {enabled: true}\n", 'shop.yaml:7:1: ["<<"]: found the merge key <<; write the fields out instead'),
        (GOOD + "description: !py x\n", "shop.yaml:7:14: description: found the tag !py; tags are not used here"),
        (
            GOOD.replace("queue: q", "queue: q, params: {a: .inf}"),
            "shop.yaml:6:71: tasks[0].params.a: found .inf, which is no number in JSON",
        ),
        (
            GOOD.replace("queue: q", f"queue: q, params: {{a: {'9' * 5_000}}}"),
            f"shop.yaml:6:71: tasks[0].params.a: found {'9' * 60}, which is no number in JSON",
        ),
        (f"{GOOD}---\n{GOOD}", "shop.yaml:10:7: name: found 'order' again; the first is in line 3"),
    ],
)
def test_what_is_not_json_said_in_yaml_is_refused(text: str, sentence: str) -> None:
    [error] = errors(text)
    assert error.startswith(sentence)


def test_aliases_cannot_unfold_into_more_than_memory_holds() -> None:
    lines = ["l0: &l0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert any(
        "found more than 50000 values, aliases written out; allowed are at most 50000" in error
        for error in errors("\n".join(lines))
    )


def test_brackets_without_end_keep_nobody_busy() -> None:
    began = time.process_time()
    for opening in ("[", "{", "[{a: "):
        assert "found deeper nesting than can be read" in errors(f"a: {opening * 2_000}")[0]
    assert time.process_time() - began < 1


def limited(text: str, **limits: int) -> list[str]:
    with pytest.raises(InvalidDefinitions) as refused:
        load_documents(text, "shop.yaml", DocumentLimits(**limits))
    return [str(error) for error in refused.value.errors]


def test_limits_of_documents_are_told_with_what_was_found_and_the_setting() -> None:
    second = GOOD.replace("name: order", "name: second")
    text = f"{GOOD}---\n{second}"
    assert len(load_documents(text, "shop.yaml", DocumentLimits(documents=2)).definitions) == 2
    assert limited(text, documents=1) == [
        "shop.yaml:8:1: found more than 1 documents; allowed are at most 1 at once (TASKFACTORY_MAX_DOCUMENTS)"
    ]
    assert (
        "found more than 5 values, aliases written out; allowed are at most 5 (TASKFACTORY_MAX_YAML_VALUES)"
        in (limited(GOOD, values=5)[0])
    )
    assert "found 3 levels; allowed are at most 2 levels (TASKFACTORY_MAX_YAML_DEPTH)" in limited(GOOD, depth=2)[0]


def test_aliases_are_written_out() -> None:
    text = GOOD.replace("queue: q", "queue: q, retry: &fast {max_attempts: 2}") + (
        "  - {name: second, type: activity, handler: h, queue: q, retry: *fast}\n"
    )
    [definition] = load_definitions(text, "x")
    assert [task.retry.max_attempts for task in definition.tasks] == [2, 2]


def test_scalars_are_read_as_yaml_1_2_says() -> None:
    text = GOOD.replace("queue: q", "queue: q, params: {a: yes, b: 2026-01-02, c: 010, d: 0x1F, e: 1e3, f: ~, g: true}")
    [definition] = load_definitions(text, "x")
    assert definition.tasks[0].params == {
        "a": "yes",
        "b": "2026-01-02",
        "c": 10,
        "d": 31,
        "e": 1000.0,
        "f": None,
        "g": True,
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("4h", 14_400.0),
        ("7d", 604_800.0),
        ("1h30m", 5_400.0),
        ("1m5ms", 60.005),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "0s", "5x", "30m1h", "-5s", "1.5s", "4000d", " 5s", "\u0665s", 5, None])
def test_what_is_no_duration_is_refused(text: Any) -> None:
    with pytest.raises(InvalidDuration, match="allowed is a duration from 1ms to 3650d"):
        parse_duration(text)


def test_a_stored_definition_is_read_alike_with_and_without_trust() -> None:
    canonical = parse_definition(document(when="event.data.total > 1", dedupe={"key": "subject"})).to_dict()
    assert trusted_definition(canonical) == parse_definition(canonical)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"tasks": []}, "tasks: found [] with 0 elements"),
        ({"match": {"a": [{"prefxi": "x"}]}}, "trigger.match.a[0].prefxi: unknown operator 'prefxi'"),
    ],
)
def test_trust_does_not_cover_shape_and_pattern(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidDefinitions) as caught:
        trusted_definition(document(**fields), "row")
    assert sentence in str(caught.value)
