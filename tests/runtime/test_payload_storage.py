"""Which payloads go where, and what a process says that has no storage for the large ones."""

from dataclasses import replace

import pytest
from pydantic import SecretStr, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.sdk.v1 import ExternalStorageReference
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, JSONProtoPayloadConverter

from taskfactory.runtime import DatabaseSettings, TemporalSettings
from taskfactory.runtime.payload_storage import (
    PayloadLost,
    PayloadStorageAway,
    external_storage,
    storage_missing,
    storage_url,
)


class WithDatabase(DatabaseSettings, TemporalSettings):
    """As a service's settings are."""


def settings(storage: str | None, **others: int) -> TemporalSettings:
    return TemporalSettings(payload_storage=None if storage is None else SecretStr(storage), **others)  # type: ignore[arg-type]


def converter(chosen: TemporalSettings) -> DataConverter:
    return replace(pydantic_data_converter, external_storage=external_storage(chosen))


def reference(driver: str) -> Payload:
    claim = ExternalStorageReference(driver_name=driver, claim_data={"sha256": "00" * 32})
    payload = JSONProtoPayloadConverter().to_payload(claim)
    assert payload is not None
    return payload


def test_without_a_setting_the_storage_is_the_registrys_database() -> None:
    database = SecretStr("postgresql://here/registry")
    assert storage_url(WithDatabase(database_url=database)) == "postgresql://here/registry"
    elsewhere = WithDatabase(database_url=database, payload_storage=SecretStr("postgresql://there/db"))
    assert storage_url(elsewhere) == "postgresql://there/db"


async def test_small_payloads_never_see_the_storage() -> None:
    away = converter(settings("postgresql://127.0.0.1:1/nowhere", payload_threshold_bytes=2000))
    (inline,) = await away.encode(["x" * 1900])
    assert await away.decode([inline]) == ["x" * 1900]
    with pytest.raises(PayloadStorageAway):
        await away.encode(["x" * 2000])


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_finds_its_driver(scheme: str) -> None:
    chosen = settings(f"{scheme}://127.0.0.1:1/db")
    assert storage_missing(chosen) is None
    assert [driver.name() for driver in external_storage(chosen).drivers] == ["postgresql"]


async def test_where_the_storage_is_off_nothing_is_stored_and_a_reference_says_why_it_cannot_be_read() -> None:
    off = converter(settings("off"))
    (inline,) = await off.encode(["x" * 1_000_000])
    assert await off.decode([inline]) == ["x" * 1_000_000]
    with pytest.raises(PayloadLost, match="TASKFACTORY_PAYLOAD_STORAGE is `off` here"):
        await off.decode([reference("postgresql")])


async def test_a_storage_that_is_not_installed_is_named_with_what_to_do() -> None:
    missing = storage_missing(settings("s3://bucket/prefix"))
    assert missing == "no payload storage for s3:// is installed here; install what provides it"
    with pytest.raises(PayloadLost, match="s3://"):
        await converter(settings("s3://bucket/prefix")).decode([reference("postgresql")])


def test_a_setting_that_is_neither_a_url_nor_off_is_refused() -> None:
    with pytest.raises(ValidationError, match="or `off`"):
        settings("Off please")
