"""Recordings: upload, look up, delete, analyze."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from banso.web.answers import find_recording, job_answer, recording_answer, service_of
from banso.web.jobs import ANALYZE
from banso.web.performing import generation_options
from banso.web.problems import answers
from banso.web.routes_sheets import asked_of
from banso.web.schemas import Id, JobAnswer, RecordingAnswer, RecordingsAnswer, Wishes
from banso.web.uploads import take_upload

router = APIRouter(tags=["recordings"])

RecordingId = Annotated[Id, Path()]
# The body is the file itself, so that nothing has to be parsed or buffered on the way to the disk.
_FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file as it is: WAV, FLAC, MP3, Ogg, AIFF and more.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post(
    "/recordings", status_code=201, responses=answers(413, 422, 507), openapi_extra=_FILE_BODY
)
async def upload(
    request: Request,
    name: Annotated[str, Query(max_length=1000, description="What to call it.")] = "recording",
) -> RecordingAnswer:
    """Upload a recording of a voice: `curl --data-binary @voice.wav`."""
    announced = request.headers.get("content-length", "")
    size = int(announced) if announced.isascii() and announced.isdigit() else None
    service = service_of(request)
    return recording_answer(await take_upload(service, name, size, request.stream()))


@router.get("/recordings", responses=answers(422))
def list_recordings(
    request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> RecordingsAnswer:
    """List the newest recordings."""
    store = service_of(request).store
    takes = store.num_takes()
    found = [recording_answer(r, takes.get(r.id, 0)) for r in store.recordings(limit)]
    return RecordingsAnswer(recordings=found)


@router.get("/recordings/{recording_id}", responses=answers(404, 422))
def get_recording(request: Request, recording_id: RecordingId) -> RecordingAnswer:
    """Look a recording up."""
    service = service_of(request)
    found = find_recording(service, recording_id)
    return recording_answer(found, service.store.num_takes(found.id).get(found.id, 0))


@router.delete("/recordings/{recording_id}", status_code=204, responses=answers(404, 422))
def delete_recording(request: Request, recording_id: RecordingId) -> Response:
    """Delete a recording and all that came of it; what is in work is cancelled."""
    service = service_of(request)
    find_recording(service, recording_id)
    service.delete_recording(recording_id)
    return Response(status_code=204)


@router.post(
    "/recordings/{recording_id}/analyze", status_code=202, responses=answers(404, 422, 429, 507)
)
def analyze(request: Request, recording_id: RecordingId, body: Wishes | None = None) -> JobAnswer:
    """Find key, beats and chords in a recording, around what is given."""
    service = service_of(request)
    find_recording(service, recording_id)
    asked = {} if body is None else asked_of(body, set())
    generation_options(asked)
    return job_answer(service, service.submit(recording_id, ANALYZE, [asked])[0])
