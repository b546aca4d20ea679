"""Temporal's storage driver over the table: a payload goes in, its digest travels, the payload comes out."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from taskfactory.payloads import metrics
from taskfactory.payloads.table import PayloadTable, open_payload_table
from taskfactory.runtime.payload_storage import PayloadLost, PayloadStorageAway

DRIVER_NAME: Final = "postgresql"
"""Stands in every reference, so it never changes."""
POOL_SIZE: Final = 4
"""Connections of one process; large payloads are rare, and each may hold megabytes in memory meanwhile."""

T = TypeVar("T")


def open_storage(url: str) -> StorageDriver:
    """The driver for a `postgresql://` URL; connects when the first large payload comes.

    Raises:
        ValueError: the URL is not PostgreSQL's.
    """
    return PostgresPayloads(open_payload_table(url, POOL_SIZE))


class PostgresPayloads(StorageDriver):
    """Stores payloads in `payloads`; a claim is `{"sha256": hex digest}`, the same for the same payload."""

    def __init__(self, table: PayloadTable) -> None:
        """Wrap the table."""
        self._table = table

    def name(self) -> str:
        """See `DRIVER_NAME`."""
        return DRIVER_NAME

    def type(self) -> str:
        """The same in other languages, if they ever have this driver."""
        return f"taskfactory.{DRIVER_NAME}"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Store them, all or none.

        Raises:
            PayloadStorageAway: the database is; storing again is safe.
        """
        del context  # the digest says it all
        # A map's entries have no order in protobuf: without `deterministic`, one payload could have several digests.
        bodies = [payload.SerializeToString(deterministic=True) for payload in payloads]
        digests = await self._measured("store", lambda: self._table.put(bodies), sum(map(len, bodies)), len(bodies))
        return [StorageDriverClaim({"sha256": digest.hex()}) for digest in digests]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Read them.

        Raises:
            PayloadLost: one is not there, or the claim is none of ours.
            PayloadStorageAway: the database is; reading again is safe.
        """
        del context
        digests = [_digest(claim) for claim in claims]
        bodies = await self._measured("retrieve", lambda: self._table.get(digests))
        for digest in digests:
            if digest not in bodies:
                raise PayloadLost(f"sha256:{digest.hex()}", "it is not in the table `payloads`")
        found = [bodies[digest] for digest in digests]
        metrics.PAYLOADS.labels("retrieve").inc(len(found))
        metrics.BYTES.labels("retrieve").inc(sum(map(len, found)))
        return [Payload.FromString(body) for body in found]

    async def _measured(self, operation: str, work: Callable[[], T], size: int = 0, count: int = 0) -> T:
        started = time.monotonic()
        try:
            result = await asyncio.to_thread(work)
        except SQLAlchemyError as error:
            raise PayloadStorageAway(f"{type(error).__name__}: {error}".partition("\n")[0][:500]) from error
        metrics.SECONDS.labels(operation).observe(time.monotonic() - started)
        metrics.PAYLOADS.labels(operation).inc(count)
        metrics.BYTES.labels(operation).inc(size)
        return result


def _digest(claim: StorageDriverClaim) -> bytes:
    try:
        return bytes.fromhex(claim.claim_data["sha256"])
    except (KeyError, ValueError):
        raise PayloadLost(str(dict(claim.claim_data)), "the reference has no digest under 'sha256'") from None
