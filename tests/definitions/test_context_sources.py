"""What authors may write as a context source, and what they read when it is wrong."""

from typing import Any

import pytest

from taskfactory.definitions import InvalidDefinitions, load_definitions, parse_definition, remote_sources
from tests.definitions.samples import definition, document

HTTP = {"name": "customer", "type": "http", "connection": "crm", "path": "/customers/${event.data.order_id}"}
SQL = {"name": "rows", "type": "sql", "connection": "shop", "query": "SELECT 1"}


def http(**fields: Any) -> dict[str, Any]:
    return {**HTTP, **fields}


def sql(**fields: Any) -> dict[str, Any]:
    return {**SQL, **fields}


def problem(source: dict[str, Any]) -> str:
    with pytest.raises(InvalidDefinitions) as caught:
        parse_definition(document(context=[source]), "row")
    return str(caught.value.errors[0]).removeprefix("row: context[0]")


def test_every_type_is_read_and_written_back_as_it_was() -> None:
    sources = [
        http(query={"fields": ["a", "b"]}, headers={"X-Trace": "${event.id}"}, cache="5m", secret=["token"]),
        http(name="found", method="POST", path="/search", body={"q": "${context.customer.name}"}),
        sql(query="SELECT * FROM t WHERE id = %(id)s", params={"id": "${event.data.order_id}"}, single=True),
        {"name": "before", "type": "runs", "state": ["completed", "skipped"], "within": "7d", "limit": 3},
        {"name": "score", "type": "plugin", "plugin": "scoring", "with": {"rows": "${context.rows}"}},
        {"name": "safe", "type": "event", "expression": "context.score", "secret": ["$"]},
    ]
    read = definition(context=sources)
    assert [source.name for source in remote_sources(read)] == ["customer", "found", "rows", "before", "score"]
    assert parse_definition(read.to_dict()) == read


def test_on_error_null_is_what_yaml_makes_of_the_word() -> None:
    text = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: order
trigger: {type: event, match: {type: [placed]}}
context:
  - {name: customer, type: http, connection: crm, path: /a, on_error: null}
tasks:
  - {name: reserve, type: activity, handler: h, queue: q}
"""
    (read,) = load_definitions(text, "order.yaml")
    assert remote_sources(read)[0].on_error == "null"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (http(path="customers"), ".path: found 'customers'; allowed are paths that begin with /"),
        (http(path="//evil.example/x"), ".path: found // in the path"),
        (http(path="/a/../../admin"), ".path: found the segment '..'; a path never leads upwards"),
        (http(path="/a/%2e%2E/admin"), ".path: found the segment '%2e%2E'"),
        (http(path="/a/%252e%252e/admin"), ".path: found the segment '%252e%252e'"),
        (http(path="/a%2fb"), ".path: found 'a%2fb', which hides a slash"),
        (http(path="/a\\b"), ".path: found '\\' in the path"),
        (http(path="/a\r\nHost: b"), ".path: found '\r' in the path"),
        (http(path="/a?b=${event.id}"), ".path: found '?' in the path"),
        (http(headers={"Authorization": "x"}), ".headers.Authorization: found 'Authorization'; credentials belong"),
        (http(headers={"Host": "x"}), ".headers.Host: found 'Host'"),
        (http(headers={"a b": "x"}), ".headers[\"a b\"]: found 'a b'; allowed are letters"),
        (http(body={"a": 1}), ".body: found a body with GET"),
        (http(method="POST", cache="1m"), ".cache: found cache with a method that is not GET"),
        (http(method="DELETE"), ".method: found 'DELETE'; allowed here are 'GET', 'POST', 'PUT', 'PATCH'"),
        (http(url="http://x"), ".url: unknown field 'url'; allowed here are name, secret, type, timeout"),
        (http(pth="/x"), ".pth: unknown field 'pth'; did you mean 'path'?"),
        (http(on_error="ignore"), ".on_error: found 'ignore'; allowed here are 'fail', 'null', 'default'"),
        (http(on_error="default"), ": found on_error: default without a default"),
        (http(default=1), ": found a default with on_error: fail"),
        (http(timeout="2d"), ": found timeout 2d, longer than schedule_to_close 24h"),
        (http(secret=["a..b"]), ".secret[0]: found 'a..b'; allowed are field names joined by dots"),
        (http(path="/a/${context.customer.id}"), ".path: line 1, column 17: undeclared reference"),
        (sql(query="SELECT ${event.id}"), ".query: found ${…} in the query; values are bound"),
        (sql(query="SELECT 10 % 3"), ".query: found a single %; allowed are %(name)s for a parameter"),
        (sql(query="SELECT %(id)s"), ".query: found %(id)s; params has no value for it"),
        (sql(query="SELECT %(idd)s", params={"id": 1}), ".query: unknown parameter 'idd'; did you mean 'id'?"),
        (sql(params={"id": 1}), ".query: the query does not use id of params"),
        (sql(max_rows=0), ".max_rows: found 0; allowed is 1 or more"),
        ({"name": "r", "type": "runs", "state": "running"}, ".state: found 'running'; allowed is a list"),
        ({"name": "r", "type": "runs", "limit": 1000}, ".limit: found 1000; allowed is 100 or less"),
        ({"name": "p", "type": "plugin"}, ".plugin: this field is required"),
    ],
)
def test_a_refusal_names_the_path_and_what_is_allowed(source: dict[str, Any], sentence: str) -> None:
    assert problem(source).startswith(sentence)
