"""What tasks see of the context, what requests are made of it, and what becomes of values that don't fit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions import (
    HttpContext,
    HttpRequest,
    RenderFailed,
    context_values,
    render_request,
    render_run,
    render_tasks,
)
from taskfactory.definitions.http_paths import header_problem, whole_path_problem
from tests.definitions.samples import EVENT, activity, definition

HTTP = {"name": "customer", "type": "http", "connection": "crm", "path": "/customers/${event.data.order_id}"}


def request(event: dict[str, Any] = EVENT, **fields: Any) -> HttpRequest:
    read = definition(context=[{**HTTP, **fields}])
    (source,) = read.context
    assert isinstance(source, HttpContext)
    _, bindings = context_values(read, event, {}, above="customer")
    return render_request(source, ("context", 0), bindings)


def test_local_sources_between_remote_ones_see_those_above_and_are_seen_below() -> None:
    read = definition(
        context=[
            {"name": "order", "type": "event", "expression": "event.data.order_id"},
            HTTP,
            {"name": "greeting", "type": "static", "value": "Dear ${context.customer.name}"},
            {"name": "rows", "type": "sql", "connection": "shop", "query": "SELECT 1"},
        ],
        tasks=[activity(params={"text": "${context.greeting}: ${context.rows.size()}"})],
    )
    fetched = {"customer": {"name": "Ada"}, "rows": [1, 2]}
    rendered = render_run(read, EVENT, fetched, run_id="run-1")
    assert rendered.tasks[0].params == {"text": "Dear Ada: 2"}
    assert [(value.name, value.type, value.value) for value in rendered.context] == [
        ("order", "event", "7"),
        ("customer", "http", {"name": "Ada"}),
        ("greeting", "static", "Dear Ada"),
        ("rows", "sql", [1, 2]),
    ]
    above, _ = context_values(read, EVENT, {"customer": {"name": "Ada"}}, above="rows")
    assert [value.name for value in above] == ["order", "customer", "greeting"]


def test_a_value_from_outside_that_was_not_given_is_said_to_be_missing() -> None:
    with pytest.raises(RenderFailed) as caught:
        render_tasks(definition(context=[HTTP]), EVENT, run_id="run-1")
    assert (caught.value.code, caught.value.path) == ("context_missing", "context[0]")


def test_a_request_is_filled_in_with_every_value_in_its_place() -> None:
    event = {**EVENT, "data": {"order_id": "a b@c:?#&%é", "n": 1.5, "list": [1, "x", True], "none": None}}
    made = request(
        event,
        method="POST",
        query={
            "q": "${event.data.order_id}",
            "n": "${event.data.n}",
            "l": "${event.data.list}",
            "o": "${event.data.none}",
        },
        headers={"X-Id": " ${event.id}"},
        body={"n": "${event.data.n}"},
    )
    assert made == HttpRequest(
        "POST",
        "/customers/a%20b%40c%3A%3F%23%26%25%C3%A9",
        (("q", "a b@c:?#&%é"), ("n", "1.5"), ("l", "1"), ("l", "x"), ("l", "true")),
        {"X-Id": "evt-1"},
        b'{"n": 1.5}',
    )


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "..;",
        "..;a=b",
        "a/b",
        "../x",
        "a\\b",
        "a\r\nb",
        "a\nb",
        "\x00",
        "%2e%2e",
        "%2E",
        "%2f",
        None,
        [1],
    ],
)
def test_a_value_that_would_change_the_path_is_refused(value: Any) -> None:
    with pytest.raises(RenderFailed) as caught:
        request({**EVENT, "data": {"order_id": value}})
    assert caught.value.path == "context[0].path"


@pytest.mark.parametrize("path", ["/public/..;/admin", "/public/..;x=1/admin", "/public/%2e%2e;/admin", "/public/.;/a"])
def test_a_path_that_leads_upwards_for_servers_with_path_parameters_is_refused(path: str) -> None:
    assert whole_path_problem(path) is not None


@pytest.mark.parametrize("path", ["/cars;colour=red/wheels", "/a;b"])
def test_a_path_with_parameters_is_none_that_leads_upwards(path: str) -> None:
    assert whole_path_problem(path) is None


@pytest.mark.parametrize(
    "name", ["X-HTTP-Method-Override", "x-http-method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"]
)
def test_a_header_that_stands_for_another_method_or_path_is_refused(name: str) -> None:
    assert header_problem(name) is not None


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nb", "a\x00", "é", None, {"a": 1}])
def test_a_value_that_would_add_a_header_is_refused(value: Any) -> None:
    with pytest.raises(RenderFailed) as caught:
        request({**EVENT, "data": {"order_id": "7", "h": value}}, headers={"X-Id": "${event.data.h}"})
    assert caught.value.path == "context[0].headers.X-Id"


@given(st.text())
def test_no_text_at_all_leads_out_of_its_segment(text: str) -> None:
    try:
        made = request({**EVENT, "data": {"order_id": text}}, path="/base/${event.data.order_id}/end")
    except RenderFailed:
        return
    assert made.path.startswith("/base/")
    assert made.path.endswith("/end")
    assert made.path.count("/") == 3
    assert whole_path_problem(made.path) is None
