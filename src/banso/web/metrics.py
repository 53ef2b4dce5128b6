"""What the service counts, in the text format that Prometheus reads.

References:
    Prometheus documentation, "Exposition formats", text-based format version 0.0.4.
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping

from banso.version import VERSION

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_JOB_BUCKETS_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
_HTTP_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

Labels = tuple[tuple[str, str], ...]


class Histogram:
    """Counts durations by upper bounds.

    Args:
        bounds: Increasing, in seconds.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def lines(self, name: str) -> Iterator[str]:
        """Yield the samples of the metric."""
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._sum:.6f}"
        yield f"{name}_count {total}"


class Metrics:
    """Counters since the start of the service. Any thread may count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: Counter[Labels] = Counter()
        self._requests: Counter[Labels] = Counter()
        self._restarts = 0
        self._uploaded_bytes = 0
        self._job_seconds = Histogram(_JOB_BUCKETS_SECONDS)
        self._request_seconds = Histogram(_HTTP_BUCKETS_SECONDS)

    def job_ended(self, state: str, seconds: float) -> None:
        """Count a job that was done, failed or was cancelled."""
        with self._lock:
            self._jobs[("state", state),] += 1
            self._job_seconds.add(seconds)

    def worker_started(self, *, again: bool) -> None:
        """Count a worker that had to be started again."""
        with self._lock:
            self._restarts += again

    def uploaded(self, size_bytes: int) -> None:
        """Count a recording."""
        with self._lock:
            self._uploaded_bytes += size_bytes

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request and how long its answer took."""
        with self._lock:
            self._requests[("method", method), ("route", route), ("status", str(status))] += 1
            self._request_seconds.add(seconds)

    def text(self, gauges: Mapping[str, tuple[str, float]], jobs: Mapping[str, int]) -> str:
        """Return everything for Prometheus.

        Args:
            gauges: Present values: by name, what it is and how much.
            jobs: How many jobs the service remembers, by state.
        """
        lines = [*_head("banso_build_info", "gauge", "Version of banso.")]
        lines.append(f'banso_build_info{{version="{VERSION}"}} 1')
        for name, (meaning, value) in gauges.items():
            lines += [*_head(name, "gauge", meaning), f"{name} {value:g}"]
        lines += _head("banso_jobs", "gauge", "Jobs that the service remembers.")
        lines += [f'banso_jobs{{state="{state}"}} {number}' for state, number in jobs.items()]
        with self._lock:
            lines += self._counted()
        return "\n".join(lines) + "\n"

    def _counted(self) -> Iterator[str]:
        yield from _head("banso_jobs_ended_total", "counter", "Jobs that came to an end.")
        yield from _samples("banso_jobs_ended_total", self._jobs)
        yield from _head("banso_job_seconds", "histogram", "From taking a job up to its end.")
        yield from self._job_seconds.lines("banso_job_seconds")
        yield from _head("banso_worker_restarts_total", "counter", "Workers started again.")
        yield f"banso_worker_restarts_total {self._restarts}"
        yield from _head("banso_uploaded_bytes_total", "counter", "Size of all recordings taken.")
        yield f"banso_uploaded_bytes_total {self._uploaded_bytes}"
        yield from _head("banso_http_requests_total", "counter", "Requests answered.")
        yield from _samples("banso_http_requests_total", self._requests)
        yield from _head("banso_http_request_seconds", "histogram", "Until an answer begins.")
        yield from self._request_seconds.lines("banso_http_request_seconds")


def _head(name: str, kind: str, meaning: str) -> tuple[str, str]:
    return f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"


def _samples(name: str, counts: Mapping[Labels, int]) -> Iterator[str]:
    for labels, count in counts.items():
        inside = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels)
        yield f"{name}{{{inside}}} {count}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
