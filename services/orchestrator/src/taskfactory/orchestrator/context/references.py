"""Secrets by reference: `env:NAME` and `file:/path`, read each time they are needed, so that they may be rotated."""

import os
import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator

from taskfactory.orchestrator.context.trouble import ContextTrouble

_REFERENCE: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+")


def is_reference(text: str) -> bool:
    """Whether the text names a secret instead of being one."""
    return _REFERENCE.fullmatch(text) is not None


def _check(text: str) -> str:
    if not is_reference(text):  # without the text: it may be the secret itself
        raise ValueError("allowed is env:NAME or file:/path; a secret is never written here")
    return text


SecretReference = Annotated[str, AfterValidator(_check)]


def resolve(reference: str) -> str:
    """The secret.

    Raises:
        ContextTrouble: the variable is not set, or the file can't be read.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        secret = os.environ.get(name)
        reason = "the variable is not set"
    else:
        secret, reason = _read(name)
    if not secret:
        message = f"the secret {reference} is not there: {reason or 'it is empty'}; its operator has to provide it"
        raise ContextTrouble("SecretMissing", message, retryable=True)
    return secret


def _read(path: str) -> tuple[str | None, str]:
    try:
        # Editors and `echo` end a file with a newline that belongs to no secret.
        return Path(path).read_text().rstrip("\r\n"), ""
    except (OSError, UnicodeDecodeError) as error:
        return None, type(error).__name__
