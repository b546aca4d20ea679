"""As whom PostgreSQL runs: it refuses root, and the account it gets must be able to enter its folder."""

import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CANDIDATES = ("postgres", "nobody", "daemon")


@dataclass(frozen=True)
class Account:
    """An unprivileged account of this machine."""

    name: str
    uid: int
    gid: int


def choose_account(euid: int, accounts: Iterable[Account]) -> Account | None:
    """Choose who runs the server.

    Args:
        euid: Our effective user id.
        accounts: The accounts of this machine.

    Returns:
        None to run as ourselves; otherwise `postgres`, `nobody`, `daemon` or else the last account of the list that
        is not root's.

    Raises:
        LookupError: We are root and there is no other account.
    """
    if euid != 0:
        return None
    others = {account.name: account for account in accounts if account.uid != 0}
    for name in (*CANDIDATES, *reversed(others)):
        if name in others:
            return others[name]
    raise LookupError("PostgreSQL refuses to run as root, and this machine has no other account")


def may_enter(account: Account, folders: Iterable[os.stat_result]) -> bool:
    """Say whether the account may traverse every one of the folders, by their mode bits."""
    for folder in folders:
        if folder.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif folder.st_gid == account.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not folder.st_mode & needed:
            return False
    return True


def server_account() -> Account | None:
    """Choose for this process on this machine."""
    entries = (Account(entry.pw_name, entry.pw_uid, entry.pw_gid) for entry in pwd.getpwall())
    return choose_account(os.geteuid(), entries)


def reaches(account: Account | None, folder: Path) -> bool:
    """Say whether the account (None: ourselves) can enter the existing folder and all above it."""
    resolved = folder.resolve()
    return account is None or may_enter(account, (place.stat() for place in (resolved, *resolved.parents)))
