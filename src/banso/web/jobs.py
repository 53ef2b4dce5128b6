"""What the service keeps account of: recordings, and jobs that make something of them."""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

# Of a job. The last three are final.
QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
FINAL_STATES = (DONE, FAILED, CANCELLED)
STATES = (QUEUED, RUNNING, *FINAL_STATES)
# What a job does: listen only, or make an accompaniment.
ANALYZE, ACCOMPANY = "analyze", "accompany"
KINDS = (ANALYZE, ACCOMPANY)

ID_PATTERN = r"^[0-9a-f]{24}$"
_ID = re.compile(ID_PATTERN)
_MAX_NAME = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRecording:
    """A recording that was uploaded.

    Attributes:
        id: 24 hexadecimal digits, drawn at random.
        name: What its owner calls it; shown and used for downloads, never as a path.
        created: Seconds since 1970.
        size_bytes: Of the file.
        duration_seconds: How long it is.
        sample_rate: Its own, Hz.
        num_channels: Its own.
    """

    id: str
    name: str
    created: float
    size_bytes: int
    duration_seconds: float
    sample_rate: int
    num_channels: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a job failed.

    Attributes:
        code: A word that programs may rely on.
        message: A sentence for people, in English.
    """

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Something to be done about a recording.

    Attributes:
        id: 24 hexadecimal digits, drawn at random.
        recording_id: Of the recording.
        kind: One of `KINDS`.
        state: One of `STATES`.
        request: What was asked for, as JSON.
        created: When it was asked for, seconds since 1970.
        started: When a worker last took it up.
        finished: When it reached a final state.
        attempts: How often a worker took it up.
        failure: Why it failed.
        result: What came of it, as JSON.
    """

    id: str
    recording_id: str
    kind: str
    state: str
    request: dict[str, Any]
    created: float
    started: float | None = None
    finished: float | None = None
    attempts: int = 0
    failure: Failure | None = None
    result: dict[str, Any] | None = field(default=None)

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINAL_STATES


def new_id() -> str:
    """Draw the name of a recording or job; nobody can guess it."""
    return secrets.token_hex(12)


def is_id(text: str) -> bool:
    """Return whether a text from outside may be looked up, and used as the name of a folder."""
    return _ID.fullmatch(text) is not None


def shown_name(text: str) -> str:
    """Make a file name from outside fit to be shown: one line, no folders, not too long."""
    last = re.split(r"[/\\]", text)[-1]
    printable = "".join(c if c.isprintable() else " " for c in last).strip(" .")
    return printable[-_MAX_NAME:].strip() or "recording"
