"""Schedules: Temporal is the clock, the rest is ours.

Reading order: `workflow` (a tick, from Temporal's call to the run's start), `activities` (its effects), `shape` (what a
definition's schedule looks like in Temporal), `reconciler` (makes Temporal's schedules equal to the registry).
"""
