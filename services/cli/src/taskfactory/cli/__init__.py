"""The taskfactory command."""
