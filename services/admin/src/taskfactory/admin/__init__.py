"""The Admin API: definitions, runs, tasks, schedules and dead letters over HTTP."""
