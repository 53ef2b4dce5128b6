"""What the service offers, how it is, and the way in."""

import importlib.util
import time
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from banso.fileformats import FORMATS
from banso.version import VERSION
from banso.web.answers import service_of
from banso.web.jobs import QUEUED, RUNNING
from banso.web.metrics import CONTENT_TYPE
from banso.web.problems import HttpProblem, answers
from banso.web.schemas import HealthAnswer, OptionsAnswer, SessionBody, Status, StylesAnswer
from banso.web.security import COOKIE, is_token, session_cookie

router = APIRouter(tags=["service"])

# Guessing a token of eight characters at this pace takes longer than anybody has.
_WRONG_TOKEN_SECONDS = 0.5
_METRICS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus text format", "content": {"text/plain": {}}}
}


@router.get("/options", responses=answers())
def get_options(request: Request) -> OptionsAnswer:
    """Tell what can be asked for."""
    service = service_of(request)
    settings, about = service.settings, service.about
    return OptionsAnswer(
        version=VERSION,
        bundle={"name": about.name, "hash": about.hash},
        styles=list(about.styles),
        parts=list(about.parts),
        formats=list(FORMATS),
        can_report=importlib.util.find_spec("matplotlib") is not None,
        can_guide=not about.sampler.guidance_folded,
        max_upload_bytes=settings.max_upload_bytes,
        max_seconds=settings.max_seconds,
        keep_days=settings.keep_days,
    )


@router.get("/styles", responses=answers())
def get_styles(request: Request) -> StylesAnswer:
    """List the styles that the model knows."""
    return StylesAnswer(styles=list(service_of(request).about.styles))


@router.get("/health", responses=answers(503))
def get_health(request: Request, response: Response) -> HealthAnswer:
    """Tell whether the service does its work; 503 if no worker lives."""
    service = service_of(request)
    alive, counts = service.lanes.num_alive, service.store.count()
    problem = service.lanes.problem
    working: Status = "ok" if alive else "starting"
    status: Status = working if problem is None else "degraded"
    if not alive and problem is not None:
        response.status_code = 503
    return HealthAnswer(
        status=status,
        version=VERSION,
        workers=service.settings.workers,
        workers_alive=alive,
        queued=counts.get(QUEUED, 0),
        running=counts.get(RUNNING, 0),
        problem=problem,
    )


@router.get("/metrics", responses=_METRICS | answers(), response_class=PlainTextResponse)
def get_metrics(request: Request) -> Response:
    """Tell Prometheus what was counted."""
    service = service_of(request)
    gauges = {
        "banso_workers": ("Workers that there should be.", float(service.settings.workers)),
        "banso_workers_alive": ("Workers that live.", float(service.lanes.num_alive)),
        "banso_listeners": ("Clients that follow events.", float(service.board.num_listeners)),
        "banso_disk_free_bytes": ("Room for data.", float(service.folder.free_bytes())),
    }
    text = service.metrics.text(gauges, service.store.count())
    return Response(text, media_type=CONTENT_TYPE)


@router.post("/session", status_code=204, responses=answers(422))
def open_session(request: Request, body: SessionBody) -> Response:
    """Show the token once; a cookie that scripts cannot read then stands for it."""
    token = service_of(request).settings.token
    response = Response(status_code=204)
    if token is None:
        return response
    if not is_token(body.token, token):
        time.sleep(_WRONG_TOKEN_SECONDS)
        raise HttpProblem(401, "wrong_token", "this is not the token")
    response.set_cookie(
        COOKIE,
        session_cookie(token),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        max_age=30 * 86_400,
    )
    return response
