"""From what the service keeps to what it answers."""

import dataclasses
from typing import Any

from fastapi import Request

from banso.web.jobs import DONE, QUEUED, RUNNING, Job, StoredRecording, is_id
from banso.web.problems import HttpProblem
from banso.web.schemas import FileAnswer, JobAnswer, RecordingAnswer, ResultAnswer
from banso.web.security import API
from banso.web.service import Service


def service_of(request: Request) -> Service:
    """Return the service behind an app."""
    service: Service = request.app.state.service
    return service


def find_recording(service: Service, recording_id: str) -> StoredRecording:
    """Look a recording up, or answer that there is none."""
    found = service.store.recording(recording_id) if is_id(recording_id) else None
    if found is None:
        raise HttpProblem(404, "not_found", "there is no such recording (any more)")
    return found


def find_job(service: Service, job_id: str) -> Job:
    """Look a job up, or answer that there is none."""
    found = service.store.job(job_id) if is_id(job_id) else None
    if found is None:
        raise HttpProblem(404, "not_found", "there is no such job (any more)")
    return found


def recording_answer(recording: StoredRecording, num_takes: int = 0) -> RecordingAnswer:
    """Tell about a recording, and how many accompaniments of it are done."""
    return RecordingAnswer(**dataclasses.asdict(recording), num_takes=num_takes)


def job_answer(service: Service, job: Job) -> JobAnswer:
    """Tell about a job and how far it is."""
    progress = 1.0 if job.state == DONE else 0.0
    if job.state == RUNNING:
        progress = service.board.fraction(job.id)
    values = dataclasses.asdict(job) | {
        "progress": progress,
        "num_ahead": service.store.num_ahead(job) if job.state == QUEUED else 0,
        "result": None if job.result is None else _result_answer(job.id, job.result),
    }
    return JobAnswer(**values)


def _result_answer(job_id: str, result: dict[str, Any]) -> ResultAnswer:
    files = [
        FileAnswer(**file, url=f"{API}/jobs/{job_id}/files/{file['name']}")
        for file in result["files"]
    ]
    return ResultAnswer(**{**result, "files": files})
