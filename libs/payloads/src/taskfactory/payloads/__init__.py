"""Large payloads beside Temporal: content-addressed rows in PostgreSQL, of which only references travel."""

from taskfactory.payloads.driver import DRIVER_NAME, PostgresPayloads, open_storage
from taskfactory.payloads.table import TOUCH_AFTER, PayloadTable, open_payload_table

__all__ = ["DRIVER_NAME", "TOUCH_AFTER", "PayloadTable", "PostgresPayloads", "open_payload_table", "open_storage"]
