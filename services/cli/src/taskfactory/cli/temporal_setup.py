"""What taskfactory needs of a Temporal namespace: that it exists, its retention, its search attributes.

Temporal Cloud grants none of these calls to a namespace's API key; each refusal becomes a line that says what to do by
hand, and the rest goes on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar, cast

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.common import SearchAttributeIndexedValueType
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.runtime import search_attributes

SEARCH_ATTRIBUTES: Final = {
    key.name: cast("IndexedValueType.ValueType", int(key.indexed_value_type)) for key in search_attributes.ALL
}
"""Name and type of the attributes that workflows are started with."""
PROBES: Final = {IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD: "'x'", IndexedValueType.INDEXED_VALUE_TYPE_INT: "0"}
"""A value of each type, as a query has it."""

NOT_YET_VISIBLE: Final = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT})
"""How a server speaks of what its caches do not know yet."""

REFUSALS: Final = frozenset(
    {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED}
)
"""How a server says that this caller may not administer it."""

VISIBLE_WITHIN_SECONDS: Final = 40.0
"""A server's caches learn of a new namespace within about a second, of new search attributes within about ten."""

Answer = TypeVar("Answer")


async def prepare_namespace(client: Client, retention: timedelta) -> list[str]:
    """Create or adjust the client's namespace; does nothing to one that is as it should be.

    Returns:
        What was done or found, or has to be done by hand, one line each.

    Raises:
        RPCError: the server failed otherwise than by refusing, or what was created did not become usable in time.
    """
    namespace = await _namespace(client, retention)
    return [namespace, await _search_attributes(client)]


async def _namespace(client: Client, retention: timedelta) -> str:
    name = client.namespace
    try:
        described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
    except RPCError as error:
        if error.status in REFUSALS:
            return _by_hand(f"check that namespace {name!r} keeps closed workflows for {_days(retention)}", error)
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return await _create(client, retention)
    found = described.config.workflow_execution_retention_ttl.ToTimedelta()
    if found == retention:
        return f"namespace {name!r} is there, retention {_days(retention)}"
    try:
        await client.workflow_service.update_namespace(
            UpdateNamespaceRequest(
                namespace=name, config=NamespaceConfig(workflow_execution_retention_ttl=_duration(retention))
            )
        )
    except RPCError as error:
        if error.status in REFUSALS:
            return _by_hand(f"change namespace {name!r} from retention {_days(found)} to {_days(retention)}", error)
        raise
    return f"namespace {name!r}: retention changed from {_days(found)} to {_days(retention)}"


async def _create(client: Client, retention: timedelta) -> str:
    try:
        await client.workflow_service.register_namespace(
            RegisterNamespaceRequest(
                namespace=client.namespace, workflow_execution_retention_period=_duration(retention)
            )
        )
    except RPCError as error:
        if error.status in REFUSALS:
            return _by_hand(f"create namespace {client.namespace!r} with retention {_days(retention)}", error)
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise
    return f"namespace {client.namespace!r} created, retention {_days(retention)}"


async def _search_attributes(client: Client) -> str:
    async def listed() -> set[str]:
        answer = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        return set(answer.custom_attributes)

    try:
        missing = [name for name in SEARCH_ATTRIBUTES if name not in await _once_visible(listed)]
        if missing:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(
                    namespace=client.namespace,
                    search_attributes={name: SEARCH_ATTRIBUTES[name] for name in missing},
                )
            )
    except RPCError as error:
        if error.status in REFUSALS:
            wanted = ", ".join(f"{key.name} ({_type_name(key.indexed_value_type)})" for key in search_attributes.ALL)
            return _by_hand(f"add the search attributes {wanted}", error)
        raise
    await _once_visible(lambda: _query_all(client))
    return f"search attributes added: {', '.join(missing)}" if missing else "search attributes are there"


def _type_name(kind: SearchAttributeIndexedValueType) -> str:
    """As Temporal's own tools write it."""
    return kind.name.title()


async def _query_all(client: Client) -> None:
    """Asks for all of the attributes through the caches that a start goes through too."""
    await client.count_workflows(" AND ".join(f"{name} = {PROBES[kind]}" for name, kind in SEARCH_ATTRIBUTES.items()))


async def _once_visible(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    deadline = time.monotonic() + VISIBLE_WITHIN_SECONDS
    while True:
        try:
            return await ask()
        except RPCError as error:
            if error.status not in NOT_YET_VISIBLE or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.25)


def _by_hand(what: str, error: RPCError) -> str:
    return f"by hand: {what} (the server refused: {error.message}; on Temporal Cloud use its UI, tcld or Terraform)"


def _duration(value: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(value)
    return duration


def _days(value: timedelta) -> str:
    return f"{value / timedelta(days=1):g}d"
