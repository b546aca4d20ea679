"""The audit of a topic: every record accounted for, for every definition that was in force when it was decided about.

Reading order: `entries` (what is compared), `settling` (what a record came to), `books` (what adds up), `timeline`
(which revisions decided), `expectations` (what should have come of a record), `auditor` (a topic read again).
"""

from taskfactory.intake.audit.auditor import Auditor, PartitionRead, Report, Scope
from taskfactory.intake.audit.books import Row
from taskfactory.intake.audit.entries import Discrepancy, Disposition, Trouble
from taskfactory.intake.audit.expectations import Expectations
from taskfactory.intake.audit.group import committed_offsets
from taskfactory.intake.audit.letters import Letters, read_letters
from taskfactory.intake.audit.timeline import Timeline
from taskfactory.intake.audit.versions import Versions

__all__ = [
    "Auditor",
    "Discrepancy",
    "Disposition",
    "Expectations",
    "Letters",
    "PartitionRead",
    "Report",
    "Row",
    "Scope",
    "Timeline",
    "Trouble",
    "Versions",
    "committed_offsets",
    "read_letters",
]
