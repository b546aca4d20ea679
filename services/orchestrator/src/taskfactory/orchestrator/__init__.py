"""Durable runs on Temporal: plan, tasks, outcomes, reconciliation."""
