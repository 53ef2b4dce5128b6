"""Who may ask, and what a browser may do with the answers: checks before and headers after.

References:
    OWASP, "DNS Rebinding" (check of the Host header); W3C, "Content Security Policy Level 3" and
    "Fetch Metadata Request Headers".
"""

import hashlib
import hmac
import ipaddress
import socket
import time
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from banso.web.metrics import Metrics
from banso.web.problems import HttpProblem, problem_response

COOKIE = "banso_session"
API = "/api/v1"
# What can be asked for without a token: whether the service lives, what it is, and the way in.
_OPEN_PATHS = (f"{API}/health", f"{API}/openapi.json", f"{API}/session")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
}


def content_policy(nonce: str = "") -> str:
    """Return a policy under which a page loads nothing from elsewhere and runs no inline script.

    Args:
        nonce: Of the style sheets inside the page, which wavesurfer.js makes.
    """
    inline = f" 'nonce-{nonce}'" if nonce else ""
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'{inline}; img-src 'self' data:; "
        "media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


class Guard:
    """ASGI middleware: lets through what may ask, counts it, and adds headers to the answer.

    Args:
        app: What is guarded.
        token: What a client must know, or None.
        hosts: Names of this service, beside those of the machine.
        metrics: Where answers are counted.
    """

    def __init__(
        self, app: ASGIApp, *, token: str | None, hosts: tuple[str, ...], metrics: Metrics
    ) -> None:
        self._app, self._token, self._metrics = app, token, metrics
        self._hosts = {"localhost", socket.gethostname().lower(), *(h.lower() for h in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = self._completing(scope, send)
        try:
            self._check(Request(scope))
        except HttpProblem as problem:
            await problem_response(problem)(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _check(self, request: Request) -> None:
        headers = request.headers
        if not self._is_ours(headers.get("host", "")):
            raise HttpProblem(
                400, "unknown_host", "this name is not the service's; see `banso serve --host-name`"
            )
        if request.method not in _SAFE_METHODS and _is_cross_site(headers):
            raise HttpProblem(403, "cross_site", "a page of another site may not send this")
        path = request.url.path
        needs_token = path.startswith("/api/") and path not in _OPEN_PATHS
        if self._token is not None and needs_token and not knows_token(headers, self._token):
            raise HttpProblem(401, "token_needed", "send the token", {"WWW-Authenticate": "Bearer"})

    def _is_ours(self, host: str) -> bool:
        """Names may be made to point here by anybody; addresses may not."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or _is_address(name)

    def _completing(self, scope: Scope, send: Send) -> Send:
        begun = time.monotonic()

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", content_policy())
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
                route = getattr(scope.get("route"), "path", "other")
                seconds = time.monotonic() - begun
                self._metrics.answered(scope["method"], route, message["status"], seconds)
            await send(message)

        return complete


def session_cookie(token: str) -> str:
    """Return what a browser keeps instead of the token itself."""
    return hmac.new(token.encode(), b"banso session", hashlib.sha256).hexdigest()


def knows_token(headers: Headers, token: str) -> bool:
    """Return whether a request shows the token, as a bearer or by its cookie."""
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and is_token(shown.strip(), token):
        return True
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return False
    return cookie is not None and is_token(cookie.value, session_cookie(token))


def is_token(shown: str, token: str) -> bool:
    """Compare in a time that does not tell how much was right."""
    return hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), token.encode())


def _is_cross_site(headers: Headers) -> bool:
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    except ValueError:
        return True


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
