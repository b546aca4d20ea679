"""A server that grants no administration, as Temporal Cloud's: the command says what to do by hand and goes on."""

from collections import Counter
from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.workflowservice.v1 import DescribeNamespaceResponse
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.cli.temporal_setup import SEARCH_ATTRIBUTES, prepare_namespace


class RefusingServer:
    """Describes the namespace if it may, and refuses every change."""

    namespace = "shop.a1b2c"

    def __init__(self, *, described: DescribeNamespaceResponse | None, status: RPCStatusCode) -> None:
        self._described = described
        self._status = status
        self.workflow_service = self
        self.operator_service = self

    def _refuse(self) -> RPCError:
        return RPCError("not for you", self._status, b"")

    async def describe_namespace(self, _request: Any) -> DescribeNamespaceResponse:
        if self._described is None:
            raise self._refuse()
        return self._described

    async def update_namespace(self, _request: Any) -> None:
        raise self._refuse()

    async def list_search_attributes(self, _request: Any) -> None:
        raise self._refuse()


async def prepared(server: RefusingServer, retention: timedelta = timedelta(days=7)) -> list[str]:
    return await prepare_namespace(cast("Client", server), retention)


async def test_what_is_refused_is_told_to_be_done_by_hand() -> None:
    server = RefusingServer(described=DescribeNamespaceResponse(), status=RPCStatusCode.PERMISSION_DENIED)
    retention, attributes = await prepared(server)
    assert retention.startswith("by hand: change namespace 'shop.a1b2c' from retention 0d to 7d (the server refused: ")
    assert attributes.startswith("by hand: add the search attributes TaskfactoryActivity (Keyword), ")
    assert "TaskfactoryVersion (Int)" in attributes
    assert all(name in attributes for name in SEARCH_ATTRIBUTES)


def test_the_attributes_fit_into_the_columns_of_a_visibility_store_in_sql() -> None:
    kinds = Counter(SEARCH_ATTRIBUTES.values())
    assert kinds[IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD] <= 10
    assert kinds[IndexedValueType.INDEXED_VALUE_TYPE_INT] <= 3
    assert len(kinds) == 2


async def test_a_namespace_that_may_not_even_be_described_is_told_too() -> None:
    server = RefusingServer(described=None, status=RPCStatusCode.UNIMPLEMENTED)
    retention, _ = await prepared(server)
    assert retention.startswith("by hand: check that namespace 'shop.a1b2c' keeps closed workflows for 7d")


async def test_a_server_that_fails_otherwise_is_an_error() -> None:
    with pytest.raises(RPCError):
        await prepared(RefusingServer(described=None, status=RPCStatusCode.UNAVAILABLE))
