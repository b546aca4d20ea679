"""The one way every process connects to Temporal."""

import re
from dataclasses import replace
from functools import cache
from typing import Final

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import TLSConfig

from taskfactory.runtime.payload_storage import external_storage
from taskfactory.runtime.settings import TemporalSettings, TemporalTls, pem

CAUSE: Final = re.compile(r'message: "([^"]+)"')
"""Where the SDK's core, which prints its whole structure of nested errors, has the sentences of the innermost ones."""

CORE_LOG: Final = (
    TelemetryFilter(core_level="WARN", other_level="ERROR").formatted() + ",temporalio_client::retry=ERROR"
)
"""The same, without a line for each poller that tries again while the server is away: `Outage` says that."""


@cache
def sdk_runtime() -> Runtime:
    """The process's one runtime of the SDK's core."""
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=CORE_LOG)))


def tls_config(tls: TemporalTls, *, api_key: bool) -> TLSConfig | bool:
    """The SDK's TLS argument: False for plain text, a config where certificates or a domain are given.

    Raises:
        OSError: a certificate or key file can't be read.
    """
    private_key = tls.client_private_key.get_secret_value() if tls.client_private_key else None
    if not any((tls.domain, tls.server_root_ca_cert, tls.client_cert, private_key)):
        return tls.enabled or api_key
    return TLSConfig(
        domain=tls.domain,
        server_root_ca_cert=pem(tls.server_root_ca_cert) if tls.server_root_ca_cert else None,
        client_cert=pem(tls.client_cert) if tls.client_cert else None,
        client_private_key=pem(private_key) if private_key else None,
    )


async def connect(settings: TemporalSettings) -> Client:
    """A connected client whose payloads are JSON written and read by Pydantic; large ones travel by reference.

    Raises:
        ValueError: the payload storage's setting can't be used.
        RuntimeError: the server can't be reached or refuses the credentials.
    """
    api_key = settings.temporal_api_key.get_secret_value() if settings.temporal_api_key else None
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        api_key=api_key,
        tls=tls_config(settings.temporal_tls, api_key=api_key is not None),
        data_converter=replace(pydantic_data_converter, external_storage=external_storage(settings)),
        runtime=sdk_runtime(),
    )


def connection_error(error: Exception) -> str:
    """The reason in a few words: of nested errors the innermost one's, otherwise the first line."""
    causes = CAUSE.findall(str(error))
    return str(causes[-1]) if causes else str(error).partition("\n")[0]
