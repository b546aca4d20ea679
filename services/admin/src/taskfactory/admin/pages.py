"""Lists in pages: a cursor says after which row to go on, so that pages stay right while rows come and go."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from taskfactory.admin.problems import InputError, Problem

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500

Row = TypeVar("Row")
Item = TypeVar("Item")
Key = TypeVar("Key")


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(description="For `cursor`, to get the next page; null on the last one.")


class PageQuery:
    """`limit` and `cursor` of a request."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items at most.")] = DEFAULT_LIMIT,
        cursor: Annotated[
            str | None, Query(max_length=2000, description="`next_cursor` of the page before; opaque.")
        ] = None,
    ) -> None:
        """Keep both."""
        self.limit = limit
        self._cursor = cursor

    @property
    def fetch(self) -> int:
        """Rows to read: one more than is shown tells whether there is another page."""
        return self.limit + 1

    def after(self, shape: type[Key]) -> Key | None:
        """The key of the last row of the page before; None on the first page.

        Args:
            shape: what `page_of`'s `key` returned, such as `tuple[datetime, str]`.

        Raises:
            Problem: `invalid`: the cursor is none of ours, or of another list.
        """
        if self._cursor is None:
            return None
        try:
            text = base64.urlsafe_b64decode(self._cursor.encode("ascii") + b"=" * (-len(self._cursor) % 4))
            # In Python's own types again: JSON has neither tuples nor moments.
            return TypeAdapter(shape).validate_json(text)
        except (binascii.Error, UnicodeError, ValidationError):
            message = "found a cursor of another list, or none at all; allowed is `next_cursor` of the page before"
            raise Problem("invalid", "The cursor can't be used.", [InputError("query.cursor", message)]) from None

    def page_of(self, rows: Sequence[Row], shown: Callable[[Row], Item], key: Callable[[Row], Any]) -> Page[Item]:
        """The page, from `fetch` rows at most.

        Args:
            rows: in the list's order.
            shown: a row as it is answered.
            key: what orders the list, unique: what the next page begins after.
        """
        some = rows[: self.limit]
        more = len(rows) > self.limit
        return Page(items=[shown(row) for row in some], next_cursor=_encoded(key(some[-1])) if more else None)


Paging = Annotated[PageQuery, Depends()]
"""For an endpoint's parameter: `page: Paging`."""


def _encoded(key: Any) -> str:
    text = json.dumps(to_jsonable_python(key), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
