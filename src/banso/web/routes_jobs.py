"""Jobs: make, follow, cancel, delete, fetch results."""

import secrets
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from banso.errors import ConfigError
from banso.options import MAX_SEED
from banso.web.answers import find_job, find_recording, job_answer, service_of
from banso.web.events import EVENT_STREAM, job_events
from banso.web.jobs import ACCOMPANY, DONE, Job
from banso.web.performing import generation_options, output_options, regions_of
from banso.web.problems import HttpProblem, answers
from banso.web.routes_sheets import asked_of
from banso.web.schemas import Id, JobAnswer, JobBody, JobsAnswer, Repaint
from banso.web.service import Service

router = APIRouter(tags=["jobs"])

JobId = Annotated[Id, Path()]
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events, each a job as JSON", "content": {EVENT_STREAM: {}}}
}
_MEDIA_TYPES = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".png": "image/png",
    ".mid": "audio/midi",
    ".txt": "text/plain; charset=utf-8",
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {"application/octet-stream": {}}},
    206: {"description": "The part of the file that `Range` asks for"},
    416: {"description": "There is no such part of the file"},
}
# Nine digits: short enough to be noted down.
_DRAWN_SEEDS = 10**9


@router.post("/jobs", status_code=202, responses=answers(404, 422, 429, 507))
def create_jobs(request: Request, body: JobBody) -> JobsAnswer:
    """Ask for an accompaniment, or for several variations of it, a job each."""
    service = service_of(request)
    find_recording(service, body.recording_id)
    asked = asked_of(body, {"recording_id", "variations", "repaint"})
    if body.repaint is not None:
        asked["repaint"] = _repaint(service, body.recording_id, body.repaint)
    _check(service, asked)
    seed = secrets.randbelow(_DRAWN_SEEDS) if body.seed is None else body.seed
    seeds = [min(seed + number, MAX_SEED) for number in range(body.variations)]
    requests = [{**asked, "seed": seed} for seed in seeds]
    jobs = service.submit(body.recording_id, ACCOMPANY, requests)
    return JobsAnswer(jobs=[job_answer(service, job) for job in jobs])


@router.get("/jobs", responses=answers(422))
def list_jobs(
    request: Request,
    recording_id: Annotated[Id | None, Query(description="Only of this recording.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> JobsAnswer:
    """List the newest jobs."""
    service = service_of(request)
    jobs = service.store.jobs(recording_id=recording_id, limit=limit)
    return JobsAnswer(jobs=[job_answer(service, job) for job in jobs])


@router.get("/jobs/{job_id}", responses=answers(404, 422))
def get_job(request: Request, job_id: JobId) -> JobAnswer:
    """Look a job up: its state, its progress, and its result once it is done."""
    service = service_of(request)
    return job_answer(service, find_job(service, job_id))


@router.post("/jobs/{job_id}/cancel", status_code=202, responses=answers(404, 409, 422))
def cancel_job(request: Request, job_id: JobId) -> JobAnswer:
    """Give a job up; one that runs takes a moment to stop."""
    service = service_of(request)
    job = find_job(service, job_id)
    if job.is_final:
        raise HttpProblem(409, "job_over", f"the job is {job.state} already")
    service.lanes.cancel(job)
    return job_answer(service, find_job(service, job_id))


@router.delete("/jobs/{job_id}", status_code=204, responses=answers(404, 409, 422))
def delete_job(request: Request, job_id: JobId) -> Response:
    """Delete a job that is over, and its results."""
    service = service_of(request)
    if not service.delete_job(find_job(service, job_id)):
        raise HttpProblem(409, "job_open", "the job is not over; cancel it first")
    return Response(status_code=204)


@router.get(
    "/jobs/{job_id}/events",
    responses=_EVENTS | answers(404, 422),
    response_class=StreamingResponse,
)
async def follow_job(request: Request, job_id: JobId) -> StreamingResponse:
    """Follow a job by server-sent events until it is over."""
    service = service_of(request)
    find_job(service, job_id)
    return StreamingResponse(job_events(service, job_id), media_type=EVENT_STREAM)


@router.get("/events", responses=_EVENTS | answers(), response_class=StreamingResponse)
async def follow_all(request: Request) -> StreamingResponse:
    """Follow all jobs by server-sent events; `deleted` events carry the id alone."""
    return StreamingResponse(job_events(service_of(request), None), media_type=EVENT_STREAM)


@router.get(
    "/jobs/{job_id}/files/{name}",
    responses=_FILE | answers(404, 422),
    response_class=FileResponse,
)
def get_file(
    request: Request,
    job_id: JobId,
    name: Annotated[str, Path(max_length=100)],
    download: Annotated[bool, Query(description="Whether a browser should save it.")] = False,
) -> FileResponse:
    """Fetch a file of a result; `Range` is understood."""
    service = service_of(request)
    job = find_job(service, job_id)
    # Only names that the result itself lists; what the client sent is never part of a path.
    names = [f["name"] for f in (job.result or {}).get("files", ()) if f["name"] == name]
    if not names:
        raise HttpProblem(404, "not_found", "the job has no such file")
    path = service.folder.result(job.id) / names[0]
    return FileResponse(
        path,
        media_type=_MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
        filename=_download_name(service, job, path),
        content_disposition_type="attachment" if download else "inline",
    )


def _repaint(service: Service, recording_id: str, repaint: Repaint) -> dict[str, Any]:
    """Find the accompaniment that a repaint starts from."""
    earlier = find_job(service, repaint.job_id)
    if earlier.recording_id != recording_id or earlier.state != DONE or earlier.kind != ACCOMPANY:
        raise ConfigError("the job to repaint is no finished accompaniment of this recording")
    files = {file["role"]: file["name"] for file in (earlier.result or {})["files"]}
    name = files["accompaniment"]
    if name.endswith(".mp3"):
        raise ConfigError("an MP3 cannot be repainted without loss; ask for wav or flac")
    return {**repaint.model_dump(), "file": name}


def _check(service: Service, asked: dict[str, Any]) -> None:
    """Refuse at once what the worker would refuse later."""
    options = generation_options(asked)
    output_options(asked)
    options.sampler(service.about.sampler)
    if "repaint" in asked:
        regions_of(asked)
        if options.stems:
            raise ConfigError("stems cannot be had of a repainted region; leave them out")
    if (options.parts or options.stems) and not service.about.parts:
        raise ConfigError(f"bundle {service.about.name} knows no parts; ask for the whole band")
    styles = service.about.styles
    if options.style is not None and options.style not in styles:
        raise ConfigError(f"style is '{options.style}'; choose one of {', '.join(styles)}")


def _download_name(service: Service, job: Job, path: FilePath) -> str:
    recording = service.store.recording(job.recording_id)
    stem = "banso" if recording is None else FilePath(recording.name).stem
    seed = (job.result or {}).get("seed")
    return ".".join(filter(None, (stem, None if seed is None else str(seed), path.name)))
