"""Every metric that the Admin API exposes, with its meaning."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REQUESTS: Final = Counter(
    "taskfactory_admin_requests_total",
    "Requests answered, by method, route (its template; `unknown` where none fits) and status.",
    ["method", "route", "status"],
)
REQUEST_SECONDS: Final = Histogram(
    "taskfactory_admin_request_seconds",
    "From a request's first byte until its answer's last, by method and route.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
REQUESTS_IN_FLIGHT: Final = Gauge("taskfactory_admin_requests_in_flight", "Requests being answered.")
