"""A context source of an installation's own; `pyproject.toml` beside it makes the orchestrator find it."""
