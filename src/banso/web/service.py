"""Everything behind the HTTP interface: what is kept, who works, and what to do after a kill."""

import dataclasses
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from banso.bundle import Bundle, load_bundle
from banso.conditioning import PART_NAMES, PARTS
from banso.config import SamplerConfig
from banso.errors import BansoError
from banso.web.board import Board
from banso.web.folders import RESULT_FILE, DataFolder
from banso.web.jobs import DONE, FINAL_STATES, QUEUED, RUNNING, Job, new_id
from banso.web.lanes import Lanes, retry
from banso.web.messages import Worker
from banso.web.metrics import Metrics
from banso.web.processes import WorkerProcess
from banso.web.settings import ServiceSettings
from banso.web.store import Store

# Of the graph that is told which parts to write; newer groups of conditions are at the end.
ENCODER_FILE = "encoder.onnx"

_LOG = logging.getLogger(__name__)
_DAY_SECONDS = 86_400.0
# Left to the rest of the machine; a full disk hurts more than a refused upload.
_SPARE_BYTES = 256 * 2**20


class NoRoomError(BansoError):
    """The disk is nearly full."""


@dataclass(frozen=True, slots=True)
class About:
    """What the web process knows of the model without loading it.

    Attributes:
        name: Of the bundle.
        hash: Of the bundle.
        styles: That it knows.
        parts: That it can write apart.
        sampler: Its own steps and guidance.
    """

    name: str
    hash: str
    styles: tuple[str, ...]
    parts: tuple[str, ...]
    sampler: SamplerConfig = dataclasses.field(default_factory=SamplerConfig)

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> "About":
        """Read the manifest."""
        manifest = bundle.manifest
        width = manifest.graphs[ENCODER_FILE].inputs[0].shape[-1]
        parts = PART_NAMES if width.isdecimal() and int(width) > PARTS.start else ()
        return cls(manifest.name, bundle.hash, manifest.styles, parts, manifest.sampler)


class Service:
    """Recordings, jobs and the workers that do them.

    Args:
        settings: How it is run.

    Raises:
        BansoError: If the data folder or the bundle cannot be used.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.about = About.from_bundle(load_bundle(settings.bundle))
        self.folder = DataFolder(settings.data_folder)
        self.store = Store(self.folder.database)
        self.board, self.metrics = Board(), Metrics()
        self.lanes = Lanes(
            settings, self.store, self.folder, self.board, self.metrics, _worker_maker(settings)
        )

    def start(self) -> None:
        """Bring everything into order after what may have been a kill, and start the workers."""
        for job in self.store.jobs_in(RUNNING):
            self._recover(job)
        recordings = {recording.id for recording in self.store.recordings()}
        jobs = {job.id for job in self.store.jobs_in(DONE)}
        self.folder.sweep(recordings, jobs)
        self.lanes.start()

    def stop(self) -> None:
        """End the workers; what they were at is done after the next start."""
        self.lanes.stop()
        self.store.close()

    def check_room(self, size_bytes: int) -> None:
        """Raise a NoRoomError unless the disk takes so much more."""
        free = self.folder.free_bytes()
        if free < size_bytes + _SPARE_BYTES:
            raise NoRoomError(f"the server's disk is nearly full ({free // 2**20} MiB are free)")

    def submit(self, recording_id: str, kind: str, requests: list[dict[str, Any]]) -> list[Job]:
        """Queue a job for each request, all or none.

        Raises:
            QueueFullError: If too many would wait.
            NoRoomError: If the disk is nearly full.
        """
        self.check_room(0)
        now = time.time()
        jobs = [
            Job(
                id=new_id(),
                recording_id=recording_id,
                kind=kind,
                state=QUEUED,
                request=request,
                created=now,
            )
            for request in requests
        ]
        self.store.add_jobs(jobs, self.settings.queue_length)
        for job in jobs:
            self.board.changed(job.id)
        self.lanes.wake()
        return jobs

    def delete_job(self, job: Job) -> bool:
        """Delete a job that is over and its results; return whether it was over."""
        if not self.store.delete_job(job.id):
            return False
        self.folder.delete_result(job.id)
        self.board.changed(job.id)
        return True

    def delete_recording(self, recording_id: str) -> bool:
        """Delete a recording with all that came of it, also what is in work."""
        jobs = self.store.jobs(recording_id=recording_id)
        for job in jobs:
            if job.state not in FINAL_STATES:
                self.lanes.cancel(job)
        known = self.store.delete_recording(recording_id)
        for job in jobs:
            self.folder.delete_result(job.id)
            self.board.changed(job.id)
        self.folder.delete_recording(recording_id)
        return known

    def delete_expired(self) -> int:
        """Delete what has been kept long enough; return how many recordings that were."""
        if self.settings.keep_days is None:
            return 0
        expired = self.store.expired(time.time() - self.settings.keep_days * _DAY_SECONDS)
        for recording_id in expired:
            self.delete_recording(recording_id)
        return len(expired)

    def _recover(self, job: Job) -> None:
        """Find out what became of a job that was in work when the server was killed."""
        result = self.folder.result(job.id) / RESULT_FILE
        if result.is_file():
            self.store.finish(job.id, json.loads(result.read_text(encoding="utf-8")))
            return
        self.folder.delete_part(job.id)
        retry(self.store, job)
        _LOG.warning("job %s was interrupted; it is done again unless it was before", job.id)


def _worker_maker(settings: ServiceSettings) -> Callable[[], Worker]:
    if settings.engine == "ray":
        # Only here: Ray is heavy, and an extra of its own.
        from banso.web.ray_engine import ray_workers

        return ray_workers(settings)
    return lambda: WorkerProcess(settings)
