"""Parameters of a SQL query: named in the text, bound by the driver, never written into it."""

import re
from collections.abc import Collection
from typing import Final

from taskfactory.definitions.suggestions import allowed, unknown

_PERCENT: Final = re.compile(r"%(?:%|\((\w+)\)s)?")


def query_problem(query: str, params: Collection[str]) -> str | None:
    """What is wrong with a query and its parameters; None if nothing is.

    Args:
        query: with `%(name)s` for parameters and `%%` for a percent sign.
        params: the names that have a value.
    """
    if "${" in query:
        return "found ${…} in the query; values are bound: write %(name)s here and name: ${…} in params"
    if "\0" in query:
        return "found U+0000 in the query; allowed is SQL"
    used: set[str] = set()
    for mark in _PERCENT.finditer(query):
        if mark.group() == "%":
            return "found a single %; allowed are %(name)s for a parameter and %% for a percent sign"
        if mark.group(1) is not None:
            used.add(mark.group(1))
    for name in sorted(used - set(params)):
        return unknown("parameter", name, sorted(params)) if params else f"found %({name})s; params has no value for it"
    if unused := sorted(set(params) - used):
        return f"the query does not use {', '.join(unused)} of params; {allowed(f'%({name})s' for name in unused)}"
    return None
