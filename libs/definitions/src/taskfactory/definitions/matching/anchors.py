"""Under what a clause can be found: the keys that an event must have for the clause to hold.

Invariant: if a leaf satisfies an operator, looking the leaf up under one of the operator's keys finds it. For the keys
of a `decided` anchor the opposite is true as well. A clause that the absence of its field satisfies has no anchor,
because nothing in the event leads to it.
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple

from taskfactory.definitions.matching.clauses import Clause
from taskfactory.definitions.matching.operators import (
    Exact,
    IgnoringCase,
    InNetwork,
    Numeric,
    Operator,
    Prefix,
    Suffix,
    Wildcard,
)


class Kind:
    """How a leaf is looked up. Texts and no enum: they are hashed millions of times while a set is built."""

    EXACT: Final = "exact"
    """Value: text, or another scalar's `scalar_key`."""
    PREFIX: Final = "prefix"
    SUFFIX: Final = "suffix"
    FOLDED: Final = "folded"
    """Value: folded text; so are the next two."""
    FOLDED_PREFIX: Final = "folded prefix"
    FOLDED_SUFFIX: Final = "folded suffix"
    NETWORK: Final = "network"
    """Value: a `Network`."""
    RANGE: Final = "range"
    """Value: lowest and highest number."""
    ANY: Final = "any"
    """Value: None. Every leaf of the path."""


class Key(NamedTuple):
    """One way to be found."""

    kind: str
    value: Any


ANY: Final = Key(Kind.ANY, None)


class Anchor(NamedTuple):
    """The keys of a clause."""

    clause: Clause
    keys: tuple[Key, ...]
    decided: bool
    """Whether every leaf that is found under them satisfies the clause."""


@lru_cache(maxsize=32_768)  # asked twice for each branch, and again when its bucket is made anew
def anchor(clause: Clause) -> Anchor | None:
    """How the clause can be found; None where nothing leads to it."""
    if clause.absent:
        return None
    found = [key for operator in clause.operators for key in _keys(operator)]
    decided = all(isinstance(operator, _DECIDED) for operator in clause.operators)
    if ANY in found:
        return Anchor(clause, (ANY,), decided=False)
    return Anchor(clause, tuple(found), decided)


def _keys(operator: Operator) -> list[Key]:  # noqa: PLR0911  one return for each operator
    match operator:
        case Exact(texts, others):
            return [Key(Kind.EXACT, value) for value in (*texts, *others)]
        case IgnoringCase(folded):
            return [Key(_FOLDED.get(kind, kind), value) for kind, value in _keys(folded)]
        case InNetwork(network):
            return [Key(Kind.NETWORK, network)]
        case Numeric(low, high):
            return [Key(Kind.RANGE, (low, high))]
        case Prefix(start):
            return [_ends(start, "")]
        case Suffix(end):
            return [_ends("", end)]
        case Wildcard(first, _, last):
            return [_ends(first, last)]
        case _:
            return [ANY]


def _ends(start: str, end: str) -> Key:
    """The longer end: it is the rarer one."""
    if not start and not end:
        return ANY
    return Key(Kind.PREFIX, start) if len(start) >= len(end) else Key(Kind.SUFFIX, end)


_DECIDED: Final = (Exact, Prefix, Suffix, IgnoringCase, InNetwork)
_FOLDED: Final[dict[str, str]] = {
    Kind.EXACT: Kind.FOLDED,
    Kind.PREFIX: Kind.FOLDED_PREFIX,
    Kind.SUFFIX: Kind.FOLDED_SUFFIX,
}
