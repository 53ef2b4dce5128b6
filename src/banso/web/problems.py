"""From what goes wrong to an answer with a status and a code that programs may rely on."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from banso.errors import BansoError
from banso.web.performing import code_of
from banso.web.schemas import ErrorAnswer
from banso.web.service import NoRoomError
from banso.web.store import QueueFullError, UnknownRecordingError

_RETRY_SECONDS = 5
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_MAX_MESSAGE = 500


class HttpProblem(Exception):
    """A request that cannot be met.

    Args:
        status: HTTP status.
        code: A word for programs.
        message: A sentence for people.
        headers: To send along.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what an operation's OpenAPI document says of its errors."""
    meanings = {
        400: "The request cannot be read, or names another host",
        401: "The token is missing or wrong",
        403: "A page of another site sent the request",
        404: "There is no such thing",
        409: "Not in this state",
        413: "Too large or too long",
        422: "Something in the request cannot be used",
        429: "Too many jobs wait; Retry-After says when to try again",
        503: "Nothing can be taken now",
        507: "The server's disk is nearly full",
    }
    always = (400, 401, 403)
    return {s: {"model": ErrorAnswer, "description": meanings[s]} for s in (*always, *statuses)}


def problem_response(problem: HttpProblem) -> JSONResponse:
    """Return the answer that tells a problem."""
    message = problem.message[:_MAX_MESSAGE]
    content = {"error": {"code": problem.code, "message": message}}
    return JSONResponse(content, problem.status, headers=problem.headers)


def as_problem(error: BansoError) -> HttpProblem:
    """Return the status and code for an error."""
    if isinstance(error, QueueFullError):
        headers = {"Retry-After": str(_RETRY_SECONDS)}
        return HttpProblem(429, "queue_full", str(error), headers)
    if isinstance(error, NoRoomError):
        return HttpProblem(507, "no_room", str(error))
    if isinstance(error, UnknownRecordingError):
        return HttpProblem(404, "not_found", str(error))
    return HttpProblem(422, code_of(error), str(error))


def add_handlers(app: FastAPI) -> None:
    """Let an app answer errors in one form."""

    @app.exception_handler(HttpProblem)
    def _problem(request: Request, error: HttpProblem) -> JSONResponse:
        return problem_response(error)

    @app.exception_handler(BansoError)
    def _banso(request: Request, error: BansoError) -> JSONResponse:
        return problem_response(as_problem(error))

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return problem_response(HttpProblem(422, "invalid_request", _first(error.errors())))

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "bad_request")
        headers = dict(error.headers) if error.headers else None
        return problem_response(HttpProblem(error.status_code, code, str(error.detail), headers))


def _first(errors: Sequence[Any]) -> str:
    """Say in one line what is wrong with a request, and where."""
    error = errors[0]
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg']}"
