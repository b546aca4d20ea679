r"""The `wildcard` operator: `*` stands for any text, `\*` and `\\` for the characters themselves."""

from collections.abc import Callable


class InvalidWildcard(ValueError):  # noqa: N818  the subject, not the mechanism
    """`**`, or a backslash before anything but `*` and another backslash."""


def compile_wildcard(pattern: str) -> Callable[[str], bool]:
    r"""Compile a wildcard into a test of the whole text.

    Matching looks for each piece after the one before, so it takes time in proportion to the text: no backtracking.

    Raises:
        InvalidWildcard: `**`, or an escape other than `\*` and `\\`.
    """
    first, *rest = _pieces(pattern)
    if not rest:
        return lambda text: text == first
    *middle, last = rest

    def holds(text: str) -> bool:
        if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
            return False
        position, end = len(first), len(text) - len(last)
        for piece in middle:
            found = text.find(piece, position, end)
            if found < 0:
                return False
            position = found + len(piece)
        return True

    return holds


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
