"""Text without upper and lower case, as `equals-ignore-case` compares it."""


def fold(text: str) -> str:
    """Forget upper and lower case, character by character, so that lengths stay (`ß` does not become `ss`)."""
    return text.lower() if text.isascii() else "".join(map(_fold_character, text))


def _fold_character(character: str) -> str:
    folded = character.upper().lower()
    return folded if len(folded) == 1 else character
