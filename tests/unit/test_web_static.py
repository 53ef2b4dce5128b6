"""The page's files: whole, of this machine only, and with words for every failure."""

import hashlib
import re
from pathlib import Path

import pytest

from banso.web.app import STATIC

WEB = Path(STATIC).parent
VENDORED = STATIC / "vendor" / "wavesurfer"
PAGE = (STATIC / "index.html").read_text(encoding="utf-8")
# What only programs meet: a browser that shows the page cannot send such requests.
FOR_PROGRAMS = {"unknown_host", "cross_site", "method_not_allowed", "bad_request"}


def codes():
    """Every code that the service can answer or note, as its source has them."""
    patterns = (
        r'HttpProblem\(\s*\d+,\s*"(\w+)"',
        r'HttpProblem\(error\.status_code, "(\w+)"',
        r'code="(\w+)"',
        r'Error, "(\w+)"\)',
        r'\d{3}: "(\w+)"[,}]',
        r'else "(\w+)"\s*$',
    )
    found = set()
    for path in WEB.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        found |= {code for pattern in patterns for code in re.findall(pattern, text)}
    return found


def test_codes_are_found():
    expected = {"queue_full", "no_room", "not_found", "too_long", "worker_died", "internal"}
    assert expected | {"unusable_recording", "took_too_long", "job_open", "token_needed"} <= codes()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_failure_has_words(language):
    text = (STATIC / "js" / "strings" / f"{language}.js").read_text(encoding="utf-8")
    known = set(re.findall(r"^  error_(\w+):", text, re.MULTILINE))
    assert codes() - FOR_PROGRAMS <= known


def test_what_is_vendored_is_as_it_came():
    lines = (VENDORED / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    sums = dict(reversed(line.split()) for line in lines)
    assert set(sums) >= {path.name for path in VENDORED.glob("*.js")}
    for name, expected in sums.items():
        digest = hashlib.sha256((VENDORED / name.lstrip("*")).read_bytes()).hexdigest()
        assert digest == expected
    assert "BSD" in (VENDORED / "LICENSE").read_text(encoding="utf-8")


def test_nothing_comes_from_elsewhere():
    own = [*STATIC.glob("*.html"), *STATIC.glob("js/**/*.js"), *STATIC.glob("css/*.css")]
    assert len(own) > 20
    for path in own:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|url\(\s*['\"]?//", text), path.name


def test_all_modules_are_fetched_at_once():
    preloaded = set(re.findall(r'modulepreload" href="static/([^"]+)"', PAGE))
    modules = {str(p.relative_to(STATIC)) for p in STATIC.glob("js/**/*.js")}
    # The entry is named by its script, and the other runs on the audio thread only.
    assert modules - preloaded == {"js/main.js", "js/capture-processor.js"}
    assert preloaded - modules == {f"vendor/wavesurfer/{p.name}" for p in VENDORED.glob("*.js")}
