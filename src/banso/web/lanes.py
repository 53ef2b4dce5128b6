"""Lanes: each has a worker, takes up one job after the other and sees to it that each one ends.

Whatever happens to a worker, its job gets a final state or its turn again.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from banso.web.board import Board
from banso.web.folders import DataFolder
from banso.web.jobs import QUEUED, RUNNING, Failure, Job
from banso.web.messages import (
    CANCELLED,
    DONE,
    FAILED,
    PROGRESS,
    Message,
    Task,
    Worker,
    WorkerDiedError,
)
from banso.web.metrics import Metrics
from banso.web.settings import ServiceSettings
from banso.web.store import Store

_LOG = logging.getLogger(__name__)
# A job that ends its worker this often is given up; it may be what kills them.
MAX_ATTEMPTS = 2
_POLL_SECONDS = 0.1
_IDLE_SECONDS = 1.0
# A worker looks at cancellations between two steps of the sampler.
_CANCEL_SECONDS = 3.0
_LONGEST_PAUSE_SECONDS = 30.0


class Lanes:
    """All lanes of a service.

    Args:
        settings: How many, and how long a job may take.
        store: Where jobs are found and their ends are noted.
        folder: Where recordings and results lie.
        board: Is told of progress.
        metrics: Is told of ends and restarts.
        make_worker: Makes the worker of one lane, not yet started.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        store: Store,
        folder: DataFolder,
        board: Board,
        metrics: Metrics,
        make_worker: Callable[[], Worker],
    ) -> None:
        self._settings, self._store, self._folder = settings, store, folder
        self._board, self._metrics = board, metrics
        self._work = threading.Condition()
        self._stopping = threading.Event()
        self._cancelled: set[str] = set()
        self._workers = [make_worker() for _ in range(settings.workers)]
        self._threads = [
            threading.Thread(target=self._run, args=(worker,), name=f"lane-{number}")
            for number, worker in enumerate(self._workers)
        ]
        self.problem: str | None = None

    @property
    def num_alive(self) -> int:
        """How many workers can take tasks or are at work."""
        return sum(worker.alive for worker in self._workers)

    def start(self) -> None:
        """Begin to take up jobs."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all workers; jobs in work get their turn again after the next start."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join()

    def wake(self) -> None:
        """Look for jobs at once."""
        with self._work:
            self._work.notify_all()

    def cancel(self, job: Job) -> None:
        """Give a job up, as soon as possible if it is in work."""
        if self._store.cancel(job.id, QUEUED):
            self._metrics.job_ended(CANCELLED, 0.0)
            self._board.changed(job.id)
        else:
            with self._work:
                self._cancelled.add(job.id)

    def _run(self, worker: Worker) -> None:
        """Do job after job; nothing but `stop` ends a lane."""
        pause_seconds, again = 1.0, False
        while not self._stopping.is_set():
            try:
                if not worker.alive:
                    worker.start()
                    self._metrics.worker_started(again=again)
                    again = True
                job = self._store.claim()
            except (WorkerDiedError, OSError, sqlite3.Error) as error:
                self._pause(error, pause_seconds)
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
                continue
            self.problem, pause_seconds = None, 1.0
            if job is not None:
                self._do(job, worker)
            else:
                with self._work:
                    self._work.wait(_IDLE_SECONDS)
        worker.kill()

    def _pause(self, error: Exception, seconds: float) -> None:
        _LOG.error("%s; trying again in %.0f s", error, seconds)
        self.problem = str(error)
        self._stopping.wait(seconds)

    def _do(self, job: Job, worker: Worker) -> None:
        """Have a job done, and note how it ended."""
        self._board.report(job.id, 0.0)
        begun = time.monotonic()
        try:
            message = self._follow(job, worker)
        except (WorkerDiedError, OSError) as error:
            _LOG.error("job %s: %s", job.id, error)
            message = None
        seconds = time.monotonic() - begun
        while True:
            try:
                self._settle(job, message, seconds)
                return
            except (OSError, sqlite3.Error) as error:
                # A full disk, say. The job must not be lost for it; a restart would find it, too.
                if self._stopping.is_set():
                    return
                self._pause(error, 1.0)

    def _follow(self, job: Job, worker: Worker) -> Message | None:
        """Wait for the end of a job; None if it was ended without one."""
        worker.begin(self._task(job))
        deadline = time.monotonic() + self._settings.job_seconds
        asked = False
        while not self._stopping.is_set():
            message = worker.receive(_POLL_SECONDS)
            if message is not None and message.is_last:
                return message
            if message is not None and message.kind == PROGRESS:
                self._board.report(job.id, message.fraction)
            if not asked and job.id in self._cancelled:
                worker.cancel()
                asked, deadline = True, min(deadline, time.monotonic() + _CANCEL_SECONDS)
            if time.monotonic() > deadline:
                worker.kill()
                return Message(kind=CANCELLED) if asked else _too_long(self._settings.job_seconds)
        worker.kill()
        return None

    def _settle(self, job: Job, message: Message | None, seconds: float) -> None:
        """Note how a job ended, clear away what it left, and tell who listens."""
        self._note_end(job, message)
        with self._work:
            self._cancelled.discard(job.id)
        ended = self._store.job(job.id)
        if ended is not None and ended.is_final:
            self._metrics.job_ended(ended.state, seconds)
        self._board.changed(job.id)

    def _note_end(self, job: Job, message: Message | None) -> None:
        if message is not None and message.kind == DONE and message.result is not None:
            if not self._store.finish(job.id, message.result):
                self._folder.delete_result(job.id)
            return
        self._folder.delete_part(job.id)
        if job.id in self._cancelled:
            self._store.cancel(job.id, RUNNING)
        elif message is not None and message.kind == FAILED and message.failure is not None:
            self._store.fail(job.id, message.failure)
        else:
            retry(self._store, job, blame=not self._stopping.is_set())

    def _task(self, job: Job) -> Task:
        self._folder.delete_part(job.id)
        return Task(
            id=job.id,
            kind=job.kind,
            audio=str(self._folder.audio(job.recording_id)),
            name=self._name(job.recording_id),
            part=str(self._folder.result_part(job.id)),
            complete=str(self._folder.result(job.id)),
            request=job.request,
            earlier=self._earlier(job),
        )

    def _earlier(self, job: Job) -> str | None:
        """Where the accompaniment lies that a repaint starts from."""
        asked = job.request.get("repaint")
        return None if asked is None else str(self._folder.result(asked["job_id"]) / asked["file"])

    def _name(self, recording_id: str) -> str:
        recording = self._store.recording(recording_id)
        return "the recording" if recording is None else recording.name


def retry(store: Store, job: Job, *, blame: bool = True) -> None:
    """Let an interrupted job start again, unless it has been interrupted too often.

    Args:
        store: Where it is noted.
        job: As it was taken up.
        blame: Whether the job may be what interrupted itself.
    """
    if not blame or job.attempts < MAX_ATTEMPTS:
        store.requeue(job.id, attempts=job.attempts - (0 if blame else 1))
        return
    message = (
        f"the worker ended unexpectedly {job.attempts} times at this job; "
        "the recording may be too long for this machine's memory"
    )
    store.fail(job.id, Failure(code="worker_died", message=message))


def _too_long(job_seconds: float) -> Message:
    text = f"the job took longer than the {job_seconds:.0f} s that one may take here"
    return Message(kind=FAILED, failure=Failure(code="took_too_long", message=text))
