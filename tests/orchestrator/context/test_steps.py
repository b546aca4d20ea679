"""The steps between claim and plan: what is stored, what is said, and that no secret is in it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from taskfactory.definitions import ContextValue, RegisteredDefinition
from taskfactory.envelope import Failure
from taskfactory.orchestrator.context.activities import ContextActivities
from taskfactory.orchestrator.context.fetching import Asking, SourceFetcher
from taskfactory.orchestrator.context.trouble import ContextTrouble
from taskfactory.registry import ContextState, RunContextStore, StoredContext
from tests.definitions.samples import definition
from tests.orchestrator.context.test_fetching import RUN

WHY = Failure(type="Http503", message="context customer: connection crm: GET was answered with 503")
TOKEN: dict[str, Any] = {
    "name": "token",
    "type": "plugin",
    "plugin": "vault",
    "secret": ["$"],
}
CUSTOMER: dict[str, Any] = {"name": "customer", "type": "http", "connection": "crm", "path": "/customers"}


class Contexts(RunContextStore):
    """Values in memory; the first one of a name stays."""

    def __init__(self) -> None:
        self.stored: dict[str, StoredContext] = {}
        self.run_is_there = True

    def values(self, run_id: str) -> list[StoredContext]:
        assert run_id == RUN.run_id
        return sorted(self.stored.values(), key=lambda each: each.position)

    def put(
        self, run_id: str, value: ContextValue, *, state: ContextState = "given", error: Failure | None = None
    ) -> StoredContext | None:
        assert run_id == RUN.run_id
        row = {**value.model_dump(), "state": state, "error": error, "at": datetime(2026, 1, 1, tzinfo=UTC)}
        self.stored.setdefault(value.name, StoredContext.model_validate(row))
        return self.stored[value.name] if self.run_is_there else None


class Answers(SourceFetcher):
    """Sources that answer what the test says, by name."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def fetch(self, asking: Asking) -> Any:
        self.asked.append(asking.source.name)
        answer = self.answers[asking.source.name]
        if isinstance(answer, Exception):
            raise answer
        return answer(asking) if callable(answer) else answer


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.fixture
def contexts() -> Contexts:
    return Contexts()


def steps(
    contexts: Contexts, executor: ThreadPoolExecutor, fetcher: SourceFetcher, *sources: dict[str, Any]
) -> ContextActivities:
    registered = RegisteredDefinition("a", 1, definition(context=list(sources)))
    return ContextActivities(contexts, lambda _id, _version: registered, fetcher, executor, 1000)


async def test_a_value_is_fetched_once_however_often_its_step_runs(
    contexts: Contexts, executor: ThreadPoolExecutor
) -> None:
    fetcher = Answers(customer={"name": "Ada"})
    made = steps(contexts, executor, fetcher, CUSTOMER)
    first = await made.fetch_context(RUN, "customer")
    assert await made.fetch_context(RUN, "customer") == first
    assert (first.state, first.bytes, fetcher.asked) == ("given", len('{"name": "Ada"}'), ["customer"])
    assert contexts.stored["customer"].value == {"name": "Ada"}


async def test_a_source_sees_what_is_above_it(contexts: Contexts, executor: ThreadPoolExecutor) -> None:
    local = {"name": "both", "type": "static", "value": "${context.token} and more"}
    seen = Answers(token="t0ken", customer=lambda asking: asking.bindings.evaluate("context.both"))
    made = steps(contexts, executor, seen, TOKEN, local, CUSTOMER)
    await made.fetch_context(RUN, "token")
    await made.fetch_context(RUN, "customer")
    assert contexts.stored["customer"].value == "t0ken and more"


async def test_what_went_wrong_is_said_without_the_secrets_of_the_run(
    contexts: Contexts, executor: ThreadPoolExecutor
) -> None:
    fetcher = Answers(token="t0ken-of-ada", customer=ContextTrouble("Odd", "t0ken-of-ada is odd", retry_after=7))
    made = steps(contexts, executor, fetcher, TOKEN, CUSTOMER)
    await made.fetch_context(RUN, "token")
    with pytest.raises(ApplicationError) as caught:
        await made.fetch_context(RUN, "customer")
    assert caught.value.message == "context customer: ******** is odd"
    assert (caught.value.type, caught.value.non_retryable) == ("Odd", True)
    assert caught.value.next_retry_delay is not None
    assert caught.value.__suppress_context__, "what it came from would travel to Temporal with it"


async def test_a_secret_of_the_event_is_in_no_message_either(contexts: Contexts, executor: ThreadPoolExecutor) -> None:
    # The engine's words for a key that is not there repeat the key, and values of the event are stored with the plan.
    password = {"name": "password", "type": "event", "expression": "event.data.password", "secret": ["$"]}
    broken = {"name": "broken", "type": "static", "value": "${event.data[context.password]}"}
    run = RUN.model_copy(update={"event": {**RUN.event, "data": {"password": "hunter2-of-ada"}}})
    made = steps(contexts, executor, Answers(customer=1), password, broken, CUSTOMER)
    with pytest.raises(ApplicationError) as caught:
        await made.fetch_context(run, "customer")
    assert "hunter2" not in caught.value.message
    assert "********" in caught.value.message


async def test_a_value_that_is_too_large_is_not_stored(contexts: Contexts, executor: ThreadPoolExecutor) -> None:
    made = steps(contexts, executor, Answers(customer="x" * 1000), CUSTOMER)
    with pytest.raises(ApplicationError, match="the value has 1002 bytes, allowed are 1000") as caught:
        await made.fetch_context(RUN, "customer")
    assert (caught.value.type, caught.value.non_retryable, contexts.stored) == ("TooLarge", True, {})


@pytest.mark.parametrize(
    ("fields", "state", "value"),
    [
        ({}, "failed", None),
        ({"on_error": "null"}, "fallback", None),
        ({"on_error": "default", "default": {"name": "nobody"}}, "fallback", {"name": "nobody"}),
    ],
)
def test_what_stands_for_a_missing_value_is_stored_with_the_reason(
    contexts: Contexts, executor: ThreadPoolExecutor, fields: dict[str, Any], state: str, value: Any
) -> None:
    made = steps(contexts, executor, Answers(), {**CUSTOMER, **fields})
    assert made.give_up_context(RUN, "customer", WHY).state == state
    stored = contexts.stored["customer"]
    assert (stored.state, stored.value, stored.error) == (state, value, WHY)


async def test_a_value_that_came_after_all_is_not_given_up(contexts: Contexts, executor: ThreadPoolExecutor) -> None:
    made = steps(contexts, executor, Answers(customer={"name": "Ada"}), CUSTOMER)
    await made.fetch_context(RUN, "customer")  # Temporal did not hear of it in time
    assert made.give_up_context(RUN, "customer", WHY).state == "given"


async def test_a_run_that_is_gone_ends_its_steps(contexts: Contexts, executor: ThreadPoolExecutor) -> None:
    contexts.run_is_there = False
    made = steps(contexts, executor, Answers(customer=1), CUSTOMER)
    with pytest.raises(ApplicationError) as caught:
        await made.fetch_context(RUN, "customer")
    assert (caught.value.type, caught.value.non_retryable) == ("RunLost", True)
