"""What is wrong with definition files."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DefinitionError:
    """One thing that is wrong, with its place."""

    origin: str
    """The file, or another name of where the definition came from."""
    line: int | None
    """From 1; None when the definition did not come as text."""
    column: int | None
    """From 1."""
    path: str
    """As `tasks[1].retry.max_attempts`; empty for the document itself."""
    message: str
    """What was found and what is allowed."""

    def __str__(self) -> str:
        """One line for people: `shop.yaml:12:5: tasks[0].name: …`."""
        place = self.origin if self.line is None else f"{self.origin}:{self.line}:{self.column}"
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class InvalidDefinitions(ValueError):  # noqa: N818  the subject, not the mechanism
    """Definitions that cannot be used; `errors` lists everything that is wrong with them, in the order of the text."""

    def __init__(self, errors: tuple[DefinitionError, ...]) -> None:
        """Take at least one error."""
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors
