"""What is counted while the server works, in Prometheus' terms.

A registry of its own, so that two servers in one process do not count for each other. Labels
come from the route table alone: a stranger cannot make new ones.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from orchestrator_server.dashboard.service import Gauges

BUCKETS_SECONDS = (0.005, 0.025, 0.1, 0.5, 2.5, 30.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
OTHER = "other"


class Metrics:
    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._requests = Counter(
            "runwright_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "runwright_http_request_seconds",
            "How long an answer took, long polls included.",
            ["route"],
            buckets=BUCKETS_SECONDS,
            registry=registry,
        )
        self._counts: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._jobs = Gauge("runwright_jobs", "Jobs that have not ended.", ["status"],
                           registry=registry)  # fmt: skip
        self._robots = Gauge("runwright_robots", "Robots.", ["status"], registry=registry)
        self._items = Gauge("runwright_queue_items", "Queue items to be done.", ["status"],
                            registry=registry)  # fmt: skip
        self._waiting = Gauge(
            "runwright_waiting_robots", "Robots that wait here for a job.", registry=registry
        )
        self._loop_late = Gauge(
            "runwright_loop_late_seconds",
            "How late the event loop came to the last tick of the watchdog.",
            registry=registry,
        )

    def observe(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count one answer. `route` is the path in the table, None for what is in no table."""
        key = (method if method in METHODS else OTHER, route or OTHER, status)
        if (counts := self._counts.get(key)) is None:  # to look labels up costs as much again
            requests = self._requests.labels(key[0], key[1], str(status))
            counts = self._counts[key] = (requests, self._seconds.labels(key[1]))
        requests, of_route = counts
        requests.inc()
        of_route.observe(seconds)

    def render(self, gauges: Gauges, *, waiting_robots: int, loop_late_seconds: float) -> bytes:
        """Everything, in Prometheus' text format."""
        self._jobs.labels("pending").set(gauges.jobs_pending)
        self._jobs.labels("running").set(gauges.jobs_running)
        self._robots.labels("online").set(gauges.robots_online)
        self._robots.labels("offline").set(gauges.robots_total - gauges.robots_online)
        self._items.labels("new").set(gauges.items_new)
        self._items.labels("in_progress").set(gauges.items_in_progress)
        self._waiting.set(waiting_robots)
        self._loop_late.set(loop_late_seconds)
        return generate_latest(self._registry)
