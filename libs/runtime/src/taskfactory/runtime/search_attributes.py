"""The search attributes that runs carry in Temporal; `taskfactory migrate` registers them, ingress sets them."""

from typing import Final

from temporalio.common import SearchAttributeKey

ACTIVITY: Final = SearchAttributeKey.for_keyword("TaskfactoryActivity")
"""The activity definition's name."""
EVENT_ID: Final = SearchAttributeKey.for_keyword("TaskfactoryEventId")
EVENT_TYPE: Final = SearchAttributeKey.for_keyword("TaskfactoryEventType")
DEDUPE_KEY: Final = SearchAttributeKey.for_keyword("TaskfactoryDedupeKey")
"""The dedupe key's parts, readable."""

ALL: Final = (ACTIVITY, EVENT_ID, EVENT_TYPE, DEDUPE_KEY)
