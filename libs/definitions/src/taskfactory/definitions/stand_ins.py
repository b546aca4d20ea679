"""NUL and lone surrogates, which JSON strings may hold and CEL strings may not.

The engine cuts a string off at NUL and refuses lone surrogates. Cutting would make two different keys equal, so such
characters travel through it as stand-ins from the last private-use plane, one for one, and come back as they were:
equality, length and concatenation stay what they are.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import orjson

_FIRST: Final = 0x10F000
_NUL_STAND_IN: Final = chr(_FIRST + 0x800)  # behind the 0x800 stand-ins for U+D800 to U+DFFF
_STAND_INS = re.compile(f"[{chr(_FIRST)}-{_NUL_STAND_IN}]")
_FOREIGN = re.compile("[\x00\ud800-\udfff]")


def needs_stand_ins(value: Any) -> bool:
    """Whether the JSON value may hold a character that CEL cannot carry (never a false no)."""
    try:
        return b"\\u0000" in orjson.dumps(value)
    except TypeError:  # not encodable as UTF-8; integers beyond 64 bits and deep nesting end here too
        return True


def put_stand_ins(value: Any) -> Any:
    """Copy a JSON value with stand-ins for NUL and lone surrogates, in keys and in strings.

    Raises:
        ValueError: The value already holds one of the characters that stand in.
    """
    return _mapped(value, _to_stand_ins)


def take_stand_ins(value: Any) -> Any:
    """Undo `put_stand_ins`."""
    return _mapped(value, _from_stand_ins)


def _mapped(value: Any, text_map: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return text_map(value)
    if isinstance(value, list):
        return [_mapped(element, text_map) for element in value]
    if isinstance(value, dict):
        return {text_map(key): _mapped(element, text_map) for key, element in value.items()}
    return value


def _to_stand_ins(text: str) -> str:
    if _STAND_INS.search(text):
        raise ValueError(
            "text with NUL or lone surrogates beside characters of U+10F000 to U+10F800 cannot be evaluated"
        )
    return _FOREIGN.sub(lambda match: _stand_in(match.group()), text)


def _from_stand_ins(text: str) -> str:
    return _STAND_INS.sub(lambda match: _original(match.group()), text)


def _stand_in(character: str) -> str:
    return _NUL_STAND_IN if character == "\0" else chr(ord(character) - 0xD800 + _FIRST)


def _original(stand_in: str) -> str:
    return "\0" if stand_in == _NUL_STAND_IN else chr(ord(stand_in) - _FIRST + 0xD800)
