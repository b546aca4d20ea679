"""Every metric of a task worker, and what it means."""

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter(
    "taskfactory_worker_attempts",
    "Attempts that ended, by handler and how: completed, failed (it may be retried), cancelled.",
    ["handler", "end"],
)
ATTEMPT_SECONDS = Histogram(
    "taskfactory_worker_attempt_seconds",
    "How long one attempt of a handler took, from its start to its end.",
    ["handler"],
    buckets=(0.005, 0.02, 0.1, 0.5, 1, 5, 30, 120, 600, 3600),
)
RUNNING = Gauge(
    "taskfactory_worker_running",
    "Attempts under way; compare with the worker's max-concurrent.",
    ["handler"],
)
