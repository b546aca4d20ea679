"""When a schedule fires, computed without Temporal and to the second as Temporal computes it. Pure.

Reading order: `wall_clock` (local times and their instants), `calendar` (one calendar), `ticking` (a whole schedule).
`docs/schedules.md` says what follows at a change of the clock.
"""

from taskfactory.definitions.calendar.ticking import excludes_everything, next_ticks, ticks

__all__ = ["excludes_everything", "next_ticks", "ticks"]
