"""The search attributes by which workflows are found in Temporal; `taskfactory migrate` registers them.

A store of visibility in SQL has columns for 10 keywords and 3 integers in a namespace: these are 7 and 1.
"""

from typing import Any, Final

from temporalio.common import SearchAttributeKey

ACTIVITY: Final = SearchAttributeKey.for_keyword("TaskfactoryActivity")
"""The activity definition's name."""
ACTIVITY_ID: Final = SearchAttributeKey.for_keyword("TaskfactoryActivityId")
VERSION: Final = SearchAttributeKey.for_int("TaskfactoryVersion")
"""The definition's version that runs."""
KIND: Final = SearchAttributeKey.for_keyword("TaskfactoryKind")
"""`event`, `scheduled`, `backfill` or `manual`."""
EVENT_ID: Final = SearchAttributeKey.for_keyword("TaskfactoryEventId")
EVENT_TYPE: Final = SearchAttributeKey.for_keyword("TaskfactoryEventType")
DEDUPE_KEY: Final = SearchAttributeKey.for_keyword("TaskfactoryDedupeKey")
"""The dedupe key's parts, readable."""
TASK: Final = SearchAttributeKey.for_keyword("TaskfactoryTask")
"""The task's name; on child workflows only."""

ALL: Final[tuple[SearchAttributeKey[Any], ...]] = (
    ACTIVITY,
    ACTIVITY_ID,
    VERSION,
    KIND,
    EVENT_ID,
    EVENT_TYPE,
    DEDUPE_KEY,
    TASK,
)
