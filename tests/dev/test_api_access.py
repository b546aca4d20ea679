"""The Admin API's key and port: made once for a folder, and nobody else's to read."""

import stat
from pathlib import Path

from taskfactory.dev.api_access import FILE, api_access, new_key
from taskfactory.dev.state import StateFolder
from taskfactory.registry.api_keys import KEY_FORM


def test_a_folder_keeps_its_key_and_port(tmp_path: Path) -> None:
    made = api_access(tmp_path, ())
    assert api_access(tmp_path, (made.port,)) == made
    assert KEY_FORM.fullmatch(made.key)


def test_another_folder_has_another_key(tmp_path: Path) -> None:
    keys = {new_key() for _ in range(50)}
    assert len(keys) == 50
    assert all(KEY_FORM.fullmatch(key) for key in keys)


def test_the_key_is_its_owner_s_alone(tmp_path: Path) -> None:
    api_access(tmp_path, ())
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_wiping_takes_the_key_along(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    folder.mkdir()
    api_access(folder, ())
    StateFolder(folder).wipe()
    assert not folder.exists()
