"""The web application: the page at `/`, the HTTP interface at `/api/v1`."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import resources
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

from banso.version import VERSION
from banso.web import routes_jobs, routes_recordings, routes_sheets, routes_system
from banso.web.problems import add_handlers
from banso.web.security import API, Guard, content_policy
from banso.web.service import Service
from banso.web.settings import ServiceSettings

_LOG = logging.getLogger(__name__)
_SWEEP_SECONDS = 600.0
STATIC = Path(str(resources.files("banso.web"))) / "static"


def create_app(settings: ServiceSettings) -> FastAPI:
    """Make the application; its workers live as long as it runs.

    Args:
        settings: How the service is run.

    Raises:
        BansoError: If the data folder or the bundle cannot be used.
    """
    service = Service(settings)
    # No pages of documentation: FastAPI's load scripts from elsewhere.
    app = FastAPI(
        title="banso",
        summary="A singer's recording in, a fitting stereo accompaniment out.",
        version=VERSION,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.service = service
    add_handlers(app)
    for routes in (routes_recordings, routes_jobs, routes_sheets, routes_system):
        app.include_router(routes.router, prefix=API)
    app.add_api_route("/", _page, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Guard, token=settings.token, hosts=settings.hosts, metrics=service.metrics)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    await run_in_threadpool(service.start)
    sweeping = asyncio.create_task(_sweep(service))
    try:
        yield
    finally:
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
        await run_in_threadpool(service.stop)


async def _sweep(service: Service) -> None:
    """Delete what has been kept long enough, now and then."""
    while True:
        try:
            deleted = await run_in_threadpool(service.delete_expired)
        except Exception:
            _LOG.exception("cannot delete what has expired")
        else:
            if deleted:
                _LOG.info("deleted %d recordings that had been kept long enough", deleted)
        await asyncio.sleep(_SWEEP_SECONDS)


def _page() -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    text = (STATIC / "index.html").read_text(encoding="utf-8").replace("{{nonce}}", nonce)
    headers = {"Content-Security-Policy": content_policy(nonce), "Cache-Control": "no-cache"}
    return HTMLResponse(text, headers=headers)
