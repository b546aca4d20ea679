"""Where payloads go that are too large for Temporal: chosen by a URL's scheme, found by entry points.

A storage is installed beside this library and names itself in the entry point group `taskfactory.payload_storage`,
under the scheme of its URLs. The entry is a function from a URL to a `StorageDriver`. This module knows no database.
"""

from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Final, NoReturn
from urllib.parse import urlsplit

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from taskfactory.runtime.settings import DatabaseSettings, SettingsBlock, TemporalSettings

ENTRY_POINTS: Final = "taskfactory.payload_storage"
OFF: Final = "off"
USUAL: Final = "postgresql"
"""The storage of an installation that says nothing else; references carry its name."""


class PayloadStorageAway(RuntimeError):  # noqa: N818 -- it says what is the matter
    """The storage of large payloads does not answer; the same attempt may succeed later.

    Attributes:
        reason: what it said, without parameters.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the payload storage does not answer: {reason}; see TASKFACTORY_PAYLOAD_STORAGE")
        self.reason = reason


class PayloadLost(RuntimeError):  # noqa: N818 -- it says what happened
    """A reference leads nowhere.

    Attributes:
        reference: what it says.
        reason: what was found instead.
    """

    def __init__(self, reference: str, reason: str) -> None:
        super().__init__(
            f"the payload {reference} can't be read: {reason}. Either its retention has passed, or this process and "
            "the one that stored it have different storages: see TASKFACTORY_PAYLOAD_STORAGE"
        )
        self.reference = reference
        self.reason = reason


class NoPayloadStorage(StorageDriver):
    """Stands where there is no storage, so that whoever meets a reference says what to do. Nothing is stored in it."""

    def __init__(self, reason: str) -> None:
        """Keep why there is none."""
        self._reason = reason

    def name(self) -> str:
        """The usual storage's, whose references it will meet."""
        return USUAL

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Never asked to: `external_storage` selects no driver."""
        del context, payloads
        self._refuse()

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Refuse.

        Raises:
            PayloadLost: always.
        """
        del context, claims
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise PayloadLost("behind a reference", self._reason)


def storage_url(settings: TemporalSettings) -> str:
    """The storage's URL, or `off`; holds a password perhaps."""
    if settings.payload_storage is not None:
        return settings.payload_storage.get_secret_value()
    return _registry(settings).database_url.get_secret_value()


def storage_missing(settings: TemporalSettings) -> str | None:
    """Why this process has no storage for large payloads; None if it has one."""
    url = storage_url(settings)
    if url == OFF:
        return "TASKFACTORY_PAYLOAD_STORAGE is `off` here"
    if _installed(url) is None:
        package = "taskfactory-tasks[payloads]" if storage_scheme(url) == USUAL else "what provides it"
        return f"no payload storage for {storage_scheme(url)}:// is installed here; install {package}"
    return None


def external_storage(settings: TemporalSettings) -> ExternalStorage:
    """What the data converter is to use: payloads of the threshold's size or more go to the storage.

    Raises:
        ValueError: the storage does not take the URL.
    """
    missing = storage_missing(settings)
    if missing is not None:
        return ExternalStorage([NoPayloadStorage(missing)], driver_selector=lambda _context, _payload: None)
    url = storage_url(settings)
    entry = _installed(url)
    assert entry is not None  # noqa: S101 -- `storage_missing` has looked
    return ExternalStorage([entry.load()(url)], payload_size_threshold=settings.payload_threshold_bytes)


def _registry(settings: SettingsBlock) -> DatabaseSettings:
    """A worker's settings don't say where the registry is; its environment may."""
    return settings if isinstance(settings, DatabaseSettings) else DatabaseSettings()


def storage_scheme(url: str) -> str:
    """The name of the storage that a URL is for; empty for `off`."""
    scheme = urlsplit(url).scheme.partition("+")[0]
    return USUAL if scheme == "postgres" else scheme


def _installed(url: str) -> EntryPoint | None:
    return next(iter(entry_points(group=ENTRY_POINTS, name=storage_scheme(url))), None)
