"""Definitions, the dedupe ledger, runs and tasks in PostgreSQL."""
