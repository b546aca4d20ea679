"""Alembic environment: run through `taskfactory.registry.migrate`, never by a configuration file."""
