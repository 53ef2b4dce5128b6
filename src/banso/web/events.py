"""Progress as server-sent events.

References:
    WHATWG, "HTML Living Standard", server-sent events.
"""

from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from banso.web.answers import job_answer
from banso.web.service import Service

EVENT_STREAM = "text/event-stream"
# Proxies close connections on which nothing comes for a minute or so.
_KEEP_ALIVE_SECONDS = 15.0


async def job_events(service: Service, job_id: str | None) -> AsyncIterator[str]:
    """Yield news of one job until it is over, or of all jobs for ever.

    Args:
        service: That does them.
        job_id: Of one job, or None for all.
    """
    with service.board.listening(job_id) as listener:
        # Something at once, so that the client knows that it is heard; then how things stand.
        yield "retry: 1000\n\n"
        changed: tuple[str, ...] = () if job_id is None else (job_id,)
        while True:
            for event in await run_in_threadpool(_events, service, changed):
                yield event
                if job_id is not None and event.startswith(("event: over", "event: deleted")):
                    return
            changed = await listener.wait(_KEEP_ALIVE_SECONDS)
            if not changed:
                yield ": still here\n\n"


def _events(service: Service, job_ids: tuple[str, ...]) -> list[str]:
    return [_event(service, job_id) for job_id in job_ids]


def _event(service: Service, job_id: str) -> str:
    job = service.store.job(job_id)
    if job is None:
        return f'event: deleted\ndata: {{"id": "{job_id}"}}\n\n'
    kind = "over" if job.is_final else "job"
    return f"event: {kind}\ndata: {job_answer(service, job).model_dump_json()}\n\n"
