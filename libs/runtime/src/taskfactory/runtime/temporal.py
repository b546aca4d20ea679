"""The one way every process connects to Temporal."""

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import TLSConfig

from taskfactory.runtime.settings import TemporalSettings, TemporalTls, pem


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
    """A connected client whose payloads are JSON written and read by Pydantic.

    Raises:
        RuntimeError: the server can't be reached or refuses the credentials.
    """
    api_key = settings.temporal_api_key.get_secret_value() if settings.temporal_api_key else None
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        api_key=api_key,
        tls=tls_config(settings.temporal_tls, api_key=api_key is not None),
        data_converter=pydantic_data_converter,
    )
