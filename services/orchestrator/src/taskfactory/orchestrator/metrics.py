"""Every metric of the orchestrator, with its meaning."""

from prometheus_client import Counter, Gauge, Histogram

RUNS_PLANNED = Counter(
    "taskfactory_runs_planned_total", "Plans by what they found: running, duplicate, failed, …", ["state"]
)
RUNS_ENDED = Counter(
    "taskfactory_runs_ended_total", "Runs whose end was recorded, by definition.", ["activity", "state"]
)
TASKS_ENDED = Counter(
    "taskfactory_tasks_ended_total",
    "Tasks whose end was recorded, by definition and task.",
    ["activity", "task", "state"],
)
OUTCOMES_PUBLISHED = Counter("taskfactory_outcomes_published_total", "Outcomes that Kafka acknowledged.", ["type"])
OUTCOMES_WITHOUT_RESULT = Counter(
    "taskfactory_outcomes_without_result_total", "Outcomes whose result was too large for a record and was left out."
)
STEP_SECONDS = Histogram(
    "taskfactory_step_seconds",
    "Duration of the orchestrator's own steps.",
    ["step"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
CONTEXT_FETCHES = Counter(
    "taskfactory_context_fetches_total",
    "Attempts at context sources outside, by type and result: given, failed (and perhaps tried again), fallback "
    "or gave_up (after the last attempt; the run goes on, or fails).",
    ["type", "result"],
)
CONTEXT_SECONDS = Histogram(
    "taskfactory_context_seconds",
    "Duration of one attempt at a context source outside, by type.",
    ["type"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30),
)
TASKS_WAITING = Gauge(
    "taskfactory_tasks_waiting_for_worker", "Open tasks on a queue that no worker polls.", ["queue", "kind"]
)
RECONCILED = Counter(
    "taskfactory_reconciled_total",
    "What the reconciler did with runs whose execution is gone: settled, restarted, or failed to (and tries again).",
    ["action"],
)
DUTY_FAILURES = Counter(
    "taskfactory_leader_duty_failures_total", "Turns of a leader's duty that failed and are repeated.", ["duty"]
)
LEADING = Gauge("taskfactory_leading", "1 in the one orchestrator that reconciles and watches queues.")
TICKS = Counter(
    "taskfactory_ticks_total",
    "Decisions about ticks of schedules: started, skipped for a reason, or waiting (counted at each question).",
    ["kind", "decision", "reason"],
)
SCHEDULES = Gauge("taskfactory_schedules", "Schedules that there should be in Temporal, by state.", ["state"])
SCHEDULES_REPAIRED = Counter(
    "taskfactory_schedules_repaired_total",
    "Schedules in Temporal that were made equal to the registry: created, updated, deleted, or failed to be.",
    ["action"],
)
SCHEDULES_PASS_SECONDS = Gauge(
    "taskfactory_schedules_pass_seconds", "Duration of the latest whole comparison of schedules with the registry."
)
