"""Which Admin API the commands speak to."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from taskfactory.runtime.settings import SettingsBlock


def _address(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if scheme not in {"http", "https"} or not separator or not rest:
        raise ValueError("allowed is the address of an Admin API, such as https://taskfactory.example.com")
    return value.rstrip("/")


class ApiSettings(SettingsBlock):
    """Where the Admin API is. Without an address, commands bring it along in their own process."""

    api_url: Annotated[str, AfterValidator(_address)] | None = None
    """Such as `https://taskfactory.example.com`; without `/v1`."""
    api_key: SecretStr | None = None
    """An API key, or an OIDC access token: sent as a bearer token."""
    api_timeout: float = Field(60.0, gt=0, le=3600)
    """Seconds to wait for one answer."""
