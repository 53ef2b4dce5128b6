"""A real browser for tests of pages: Chromium without a window, cut off from the network.

A test takes `open_page`, the marker `browser` and nothing else of Playwright. Whatever a page logs
as an error, throws, or tries to load from another machine fails the test.
"""

import os
import shutil
from urllib.parse import urlsplit

import pytest

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Pages may be files or be served by this machine; nothing else may be asked for anything.
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
LOCAL_SCHEMES = ("file", "data", "blob", "about")
DESKTOP, PHONE = (1280, 800), (375, 740)


@pytest.fixture(scope="module")
def chromium():
    """A running Chromium: the one that BANSO_CHROMIUM names, the system's, or Playwright's own."""
    driver = pytest.importorskip("playwright.sync_api", reason="needs the browser extra")
    named = os.environ.get("BANSO_CHROMIUM")
    path = named or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    # One per module, because Playwright keeps an event loop running in this thread meanwhile.
    with driver.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=path, args=["--mute-audio", "--disable-dev-shm-usage"]
            )
        except driver.Error as error:
            if path is not None:
                raise
            pytest.skip(f"needs Chromium (Debian: apt-get install chromium): {error}")
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Open a page: open_page(url or path, size=, language=, dark=); returns Playwright's page.

    Each call has a browser profile of its own. Errors that the page is meant to show may be
    allowed by `page.allowed_errors.append("part of the message")`.
    """
    contexts, pages = [], []

    def open_page(target, *, size=DESKTOP, language="en-GB", dark=False, **options):
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            locale=language,
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
            **options,
        )
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.problems, page.allowed_errors = [], []
        pages.append(page)
        _watch(context, page)
        page.goto(target.as_uri() if hasattr(target, "as_uri") else target)
        return page

    yield open_page
    for context in contexts:
        context.close()
    found = [p for page in pages for p in page.problems if not _is_allowed(p, page.allowed_errors)]
    assert not found, "\n".join(found)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The service with the small bundle, as a process; recordings may last a minute."""
    service = pytest.importorskip("web_service", reason="needs the web extra")
    server = service.Server(tmp_path_factory.mktemp("service") / "data", "--max-seconds", "60")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def voice_file(tmp_path):
    """Six seconds of voice."""
    path = tmp_path / "voice.wav"
    path.write_bytes(pytest.importorskip("web_service").wav_bytes(6.0))
    return path


@pytest.fixture
def open_banso(server, open_page):
    """Open the page of the service; options as for `open_page`."""

    def open_banso(**options):
        page = open_page(f"{server.url}/", **options)
        page.wait_for_selector("body[data-ready]")
        return page

    return open_banso


def _watch(context, page):
    def route(route):
        parts = urlsplit(route.request.url)
        if parts.scheme in LOCAL_SCHEMES or parts.hostname in [h.strip("[]") for h in LOCAL_HOSTS]:
            route.continue_()
        else:
            page.problems.append(f"the page asked another machine for {route.request.url}")
            route.abort()

    context.route("**/*", route)
    page.on("pageerror", lambda error: page.problems.append(f"exception: {error}"))
    page.on(
        "console",
        lambda m: page.problems.append(f"console: {m.text}") if m.type == "error" else None,
    )


def _is_allowed(problem, allowed):
    return any(part in problem for part in allowed)
