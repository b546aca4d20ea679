"""From a source to its value: the right connection, the right limits, a plug-in's own code kept at arm's length."""

import asyncio
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from taskfactory.definitions import RunInput, context_values
from taskfactory.envelope import Trigger
from taskfactory.orchestrator.context.connections import parse_connections
from taskfactory.orchestrator.context.fetching import Asking, SourceFetcher
from taskfactory.orchestrator.context.http import HttpFetcher
from taskfactory.orchestrator.context.http_cache import HttpCache
from taskfactory.orchestrator.context.plugins import GROUP, PluginRequest, Plugins
from taskfactory.orchestrator.context.resolving import SystemResolver
from taskfactory.orchestrator.context.sql import SqlFetcher
from taskfactory.orchestrator.context.trouble import ContextTrouble
from taskfactory.registry import EarlierRuns, ResultsTooLarge
from tests.definitions.samples import EVENT, definition

CONNECTIONS = {
    "crm": {"type": "http", "base_url": "http://crm.example"},
    "shop": {"type": "sql", "url": "env:SHOP"},
}
RUN = RunInput(
    run_id="run-1",
    activity_id="a",
    activity_name="order-fulfilment",
    version=1,
    dedupe_strategy="event_id",
    dedupe_parts=["1"],
    trigger=Trigger(source="/tests", id="1", type="test"),
    event=EVENT,
)


class Odd:
    """A plug-in that does what its `with` says."""

    async def fetch(self, given: Mapping[str, Any], request: PluginRequest) -> Any:
        match given["do"]:
            case "give":
                return {"given": given["value"], "run": request.run_id, "name": request.name}
            case "refuse":
                raise ContextTrouble("NoScore", "nothing is known about this customer")
            case "break":
                raise ValueError("s3cret")
            case "hang":
                async with asyncio.timeout(60):
                    await asyncio.Event().wait()
        return {1, 2}  # no JSON


def broken() -> Odd:
    raise RuntimeError("s3cret")


PLUGINS = Plugins(
    {
        "odd": EntryPoint("odd", f"{__name__}:Odd", GROUP),
        "broken": EntryPoint("broken", f"{__name__}:broken", GROUP),
        "scoring": EntryPoint("scoring", "examples.context_plugin.scoring:Scoring", GROUP),
    }
)


async def fetch(source: dict[str, Any], *, runs: Any = None) -> Any:
    def earlier(asked: EarlierRuns, max_bytes: int) -> list[dict[str, Any]]:
        assert max_bytes == 1000
        if runs is None:
            raise ResultsTooLarge(5000)
        runs.append(asked)
        return []

    fetcher = SourceFetcher(
        parse_connections(CONNECTIONS),
        http=HttpFetcher(SystemResolver(), HttpCache(0)),
        sql=SqlFetcher(),
        plugins=PLUGINS,
        earlier_runs=earlier,
        max_bytes=1000,
    )
    read = definition(context=[{"name": "value", **source}])
    _, bindings = context_values(read, EVENT, {}, above="value")
    (remote,) = read.context
    return await fetcher.fetch(Asking(RUN, remote, ("context", 0), bindings))  # type: ignore[arg-type]


async def trouble(source: dict[str, Any]) -> ContextTrouble:
    with pytest.raises(ContextTrouble) as caught:
        await fetch(source)
    return caught.value


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            {"type": "http", "connection": "crmm", "path": "/"},
            (
                "unknown connection 'crmm'; did you mean 'crm'? allowed here is crm (of type http); "
                "connections are the operator's to name"
            ),
        ),
        (
            {"type": "sql", "connection": "crm", "query": "SELECT 1"},
            "unknown connection 'crm'; allowed here is shop (of type sql); connections are the operator's to name",
        ),
    ],
)
async def test_a_connection_that_the_operator_did_not_name_is_refused(source: dict[str, Any], sentence: str) -> None:
    found = await trouble(source)
    assert (found.message, found.retryable) == (sentence, False)


async def test_earlier_runs_are_this_definitions_unless_another_is_named() -> None:
    asked: list[EarlierRuns] = []
    assert await fetch({"type": "runs"}, runs=asked) == []
    await fetch({"type": "runs", "definition": "another", "state": ["failed"], "within": "1h", "limit": 5}, runs=asked)
    assert [(each.run_id, each.definition, list(each.states), each.limit) for each in asked] == [
        ("run-1", "order-fulfilment", ["completed"], 1),
        ("run-1", "another", ["failed"], 5),
    ]
    assert asked[1].within is not None
    assert asked[1].within.total_seconds() == 3600


async def test_earlier_runs_that_gave_too_much_are_said_with_what_to_do() -> None:
    assert (await trouble({"type": "runs"})).message == (
        "the tasks of these runs gave 5000 bytes, allowed are 1000; ask for fewer runs (limit)"
    )


def odd(do: str, **fields: Any) -> dict[str, Any]:
    return {"type": "plugin", "plugin": "odd", "with": {"do": do, "value": "${event.data.total}"}, **fields}


async def test_a_plug_in_is_given_its_filled_in_fields_and_the_run() -> None:
    assert await fetch(odd("give")) == {"given": 150, "run": "run-1", "name": "value"}


async def test_the_example_plug_in_works() -> None:
    source = {"type": "plugin", "plugin": "scoring", "with": {"amount": "${event.data.total}"}}
    assert await fetch(source) == {"score": 1, "of": "order-fulfilment"}


@pytest.mark.parametrize(
    ("source", "kind", "sentence"),
    [
        (odd("refuse"), "NoScore", "nothing is known about this customer"),
        (odd("break"), "Unavailable", "plug-in odd: ValueError"),
        (odd("hang", timeout="100ms"), "Timeout", "plug-in odd: no value within 0.1 s"),
        (odd("set"), "Unreadable", "plug-in odd: the value is no JSON"),
        ({"type": "plugin", "plugin": "broken"}, "UnknownPlugin", "plug-in broken can't be loaded: RuntimeError"),
        (
            {"type": "plugin", "plugin": "scorin"},
            "UnknownPlugin",
            "unknown plug-in 'scorin'; did you mean 'scoring'? allowed here are broken, odd, scoring",
        ),
    ],
)
async def test_what_a_plug_in_does_wrong_is_said_without_what_it_said(
    source: dict[str, Any], kind: str, sentence: str
) -> None:
    found = await trouble(source)
    assert (found.kind, found.message) == (kind, sentence)
