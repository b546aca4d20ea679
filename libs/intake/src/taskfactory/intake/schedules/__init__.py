"""Schedules, for operators: the audit of their ticks, ticks to come, triggers and backfills.

Reading order: `periods` (how definitions stood, and so what was to be expected), `settling` (what a tick came to),
`tick_audit`; `asking` (a tick asked for by hand), `backfill`, `upcoming`.
"""
