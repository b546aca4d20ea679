"""SDK for task handlers and their workers."""
