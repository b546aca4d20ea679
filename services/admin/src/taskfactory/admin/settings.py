"""The Admin API's settings, read from the environment once."""

from typing import Final

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from taskfactory.admin.roles import Role
from taskfactory.intake import DocumentSettings, IntakeSettings
from taskfactory.registry.api_keys import KEY_FORM
from taskfactory.runtime import CommaList, DatabaseSettings, ProcessSettings, TemporalSettings

MIB: Final = 1024 * 1024
PUBLIC_KEY_ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
)
"""What a token may be signed with. `none` and the algorithms with a shared secret can't be allowed at all."""
FORM_HINT: Final = "a key has the form tf_<8 of a-z and 2-7>_<43 of A-Z, a-z, 0-9, _ and ->"


class AdminSettings(ProcessSettings, IntakeSettings, DocumentSettings, DatabaseSettings, TemporalSettings):
    """`TASKFACTORY_API_…`, `TASKFACTORY_OIDC_…`; the blocks it is put together from say the rest."""

    api_host: str = "127.0.0.1"
    """Address that the API listens on. It speaks plain HTTP: put a proxy with TLS before it."""
    api_port: int = Field(8480, ge=0, le=65535)
    """0 takes a free one and logs it."""
    api_bootstrap_key: SecretStr | None = None
    """A key with every role, `tf_<8>_<43>`, for the first steps: with it, others are made."""
    max_request_bytes: int = Field(16 * MIB, ge=1024)
    """A larger body is refused."""
    api_threads: int = Field(16, ge=1, le=200)
    """Requests that may wait for the database at the same time; as many connections are opened at most."""
    oidc_audience: str | None = Field(None, min_length=1)
    """What tokens must name in `aud`."""
    oidc_issuer: str | None = Field(None, min_length=1)
    """Who signs bearer tokens, as in their `iss`; without it, only API keys are known."""
    oidc_jwks_url: str | None = None
    """Where the issuer's keys are; default: what `<issuer>/.well-known/openid-configuration` says."""
    oidc_algorithms: CommaList = ("RS256", "ES256")
    """Signatures that are accepted."""
    oidc_roles_claim: str = Field("roles", min_length=1)
    """The claim with the caller's roles or groups, a list or one name; dots go deeper, as `realm_access.roles`."""
    oidc_role_map: dict[str, tuple[Role, ...]] = Field(default_factory=dict)
    """In JSON: a value of the claim → roles, as `{"platform": ["operator", "author"]}`. Without a map, the values that
    are role names count."""

    @field_validator("api_bootstrap_key")
    @classmethod
    def _is_a_key(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None and not KEY_FORM.fullmatch(given.get_secret_value()):
            raise ValueError(f"{FORM_HINT}; `taskfactory dev up` makes one")
        return given

    @field_validator("oidc_algorithms")
    @classmethod
    def _have_public_keys(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if not given or (unknown := sorted(set(given) - PUBLIC_KEY_ALGORITHMS)):
            found = ", ".join(unknown) if given else "none at all"
            raise ValueError(f"found {found}; allowed are {', '.join(sorted(PUBLIC_KEY_ALGORITHMS))}")
        return given

    @field_validator("oidc_issuer")
    @classmethod
    def _has_an_audience(cls, given: str | None, info: ValidationInfo) -> str | None:
        if given is not None and info.data.get("oidc_audience") is None:
            raise ValueError(
                "set TASKFACTORY_OIDC_AUDIENCE too: a token that was made for another service must not open this one"
            )
        return given
