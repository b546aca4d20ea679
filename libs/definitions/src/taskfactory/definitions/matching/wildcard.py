r"""Reading the `wildcard` operator: `*` stands for any text, `\*` and `\\` for the characters themselves."""

from taskfactory.definitions.matching.operators import Exact, Wildcard, exact


class InvalidWildcard(ValueError):  # noqa: N818  the subject, not the mechanism
    """`**`, or a backslash before anything but `*` and another backslash."""


def parse_wildcard(pattern: str) -> Wildcard | Exact:
    r"""Read a wildcard; without a `*` it is an exact text.

    Raises:
        InvalidWildcard: `**`, or an escape other than `\*` and `\\`.
    """
    first, *rest = _pieces(pattern)
    if not rest:
        return exact([first])
    *middle, last = rest
    return Wildcard(first, tuple(middle), last)


def _pieces(pattern: str) -> list[str]:
    pieces = [""]
    characters = iter(pattern)
    after_star = False
    for character in characters:
        if character == "*":
            if after_star:
                raise InvalidWildcard("found ** in a wildcard; one * already stands for any text")
            pieces.append("")
        elif character == "\\":
            escaped = next(characters, "")
            if escaped not in ("*", "\\"):
                raise InvalidWildcard(rf"found \{escaped} in a wildcard; allowed after a backslash are * and \\")
            pieces[-1] += escaped
        else:
            pieces[-1] += character
        after_star = character == "*"
    return pieces
