"""The one error that patience answers: something that is away now and will be back."""


class Unavailable(Exception):  # noqa: N818 -- it says what is the matter
    """Not now; the same attempt may succeed later.

    Attributes:
        error: a short code, for metrics.
        message: a sentence, for people.
    """

    def __init__(self, error: str, message: str) -> None:
        super().__init__(f"{error}: {message}")
        self.error = error
        self.message = message
