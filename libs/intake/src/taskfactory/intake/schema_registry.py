"""The schema registry that the settings name."""

from taskfactory.envelope.schema_registry import RegistryConfig, SchemaRegistry
from taskfactory.runtime import SchemaRegistrySettings


def schema_registry(settings: SchemaRegistrySettings) -> SchemaRegistry | None:
    """A client of it, to be closed after use; None where no URL is set.

    Raises:
        ValueError: the URL is none, or both a user and a token are given.
        OSError: a certificate or key can't be read.
    """
    if settings.schema_registry_url is None:
        return None
    password, token = settings.schema_registry_password, settings.schema_registry_token
    return SchemaRegistry(
        RegistryConfig(
            settings.schema_registry_url,
            user=settings.schema_registry_user,
            password=password.get_secret_value() if password else None,
            token=token.get_secret_value() if token else None,
            ca_file=_path(settings.schema_registry_ca),
            cert_file=_path(settings.schema_registry_cert),
            key_file=_path(settings.schema_registry_key),
            timeout=settings.schema_registry_timeout,
        )
    )


def _path(path: object) -> str | None:
    return None if path is None else str(path)
