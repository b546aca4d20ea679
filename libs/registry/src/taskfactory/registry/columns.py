"""Rows as parallel arrays: how any number of rows travels to PostgreSQL in one statement.

A statement says `FROM {unnest(...)}`; its parameters are one array per column. The text of the statement stays the same
for 1 row and for 10,000, so it is parsed once and prepared once per connection.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def unnest(alias: str, types: Mapping[str, str]) -> str:
    """The SQL that turns the arrays back into rows.

    Args:
        alias: the name of the row source; parameters are called `{alias}_{column}`.
        types: column to PostgreSQL type, in the order of a row's values.
    """
    arrays = ", ".join(f"CAST(:{alias}_{column} AS {kind}[])" for column, kind in types.items())
    return f"unnest({arrays}) AS {alias} ({', '.join(types)})"


def arrays(alias: str, types: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    """The parameters that belong to `unnest(alias, types)`."""
    table = list(rows)
    return {f"{alias}_{column}": [row[place] for row in table] for place, column in enumerate(types)}
