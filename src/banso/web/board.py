"""Who is told what happens: progress from the workers' threads to clients that wait for news."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Listener:
    """Waits, on the event loop, for news of one job or of all."""

    def __init__(self, job_id: str | None) -> None:
        self.job_id = job_id
        self._news = asyncio.Event()
        self._changed: dict[str, None] = {}

    def note(self, job_id: str) -> None:
        """Remember that a job has changed; called on the event loop."""
        if self.job_id in (None, job_id):
            self._changed[job_id] = None
            self._news.set()

    async def wait(self, timeout_seconds: float) -> tuple[str, ...]:
        """Return which jobs have changed since the last call; none after the timeout."""
        try:
            await asyncio.wait_for(self._news.wait(), timeout_seconds)
        except TimeoutError:
            return ()
        changed = tuple(self._changed)
        self._changed.clear()
        self._news.clear()
        return changed


class Board:
    """Progress of the running jobs, and who listens. Any thread may report."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fractions: dict[str, float] = {}
        self._listeners: dict[Listener, asyncio.AbstractEventLoop] = {}

    def fraction(self, job_id: str) -> float:
        """Return how much of a running job is done, 0 to 1."""
        with self._lock:
            return self._fractions.get(job_id, 0.0)

    def report(self, job_id: str, fraction: float) -> None:
        """Note how much of a running job is done."""
        with self._lock:
            self._fractions[job_id] = fraction
        self._tell(job_id)

    def changed(self, job_id: str) -> None:
        """Note that a job is in another state, or gone."""
        with self._lock:
            self._fractions.pop(job_id, None)
        self._tell(job_id)

    @contextmanager
    def listening(self, job_id: str | None) -> Iterator[Listener]:
        """Listen for news of one job, or of all; to be used on the event loop."""
        listener = Listener(job_id)
        with self._lock:
            self._listeners[listener] = asyncio.get_running_loop()
        try:
            yield listener
        finally:
            with self._lock:
                del self._listeners[listener]

    @property
    def num_listeners(self) -> int:
        """How many listen."""
        with self._lock:
            return len(self._listeners)

    def _tell(self, job_id: str) -> None:
        # Under the lock, so that no loop is told after its last listener has left and it may close.
        with self._lock:
            for listener, loop in self._listeners.items():
                loop.call_soon_threadsafe(listener.note, job_id)
