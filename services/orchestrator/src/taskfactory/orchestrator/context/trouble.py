"""Why a source gave no value."""


class ContextTrouble(Exception):  # noqa: N818 -- the subject, not the mechanism
    """A source gave no value; the message is for the run's error and holds no secret and no answer's content.

    Attributes:
        kind: `Unavailable`, `Refused`, `TooLarge` and the like; what is tried again is decided by `retryable` alone.
        message: what was found, what is allowed, what to do.
        retryable: whether another attempt may give a value.
        retry_after: seconds that the other side asks to wait; None when it does not say.
    """

    def __init__(self, kind: str, message: str, *, retryable: bool = False, retry_after: float | None = None) -> None:
        """Keep all of it."""
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
