"""What the service and its workers tell each other: one line of JSON each."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Protocol

from banso.errors import BansoError
from banso.web.jobs import Failure

READY, PROGRESS, DONE, FAILED, CANCELLED = "ready", "progress", "done", "failed", "cancelled"


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A job as a worker gets it.

    Attributes:
        id: Of the job.
        kind: One of `banso.web.jobs.KINDS`.
        audio: Path of the recording.
        name: What to call the recording in messages.
        part: Folder to write to; it does not exist yet.
        complete: What that folder is called when everything is in it.
        request: What was asked for, as JSON.
        earlier: Path of the accompaniment that a repaint starts from, or None.
    """

    id: str
    kind: str
    audio: str
    name: str
    part: str
    complete: str
    request: dict[str, Any]
    earlier: str | None = None

    def to_line(self) -> str:
        """Write as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_line(cls, line: str) -> "Task":
        """Read what `to_line` wrote."""
        return cls(**json.loads(line))


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What a worker says.

    Attributes:
        kind: `ready` once, then for each task any number of `progress` and one of the others.
        fraction: How much is done, 0 to 1.
        result: What came of it, as JSON.
        failure: Why nothing did.
    """

    kind: str
    fraction: float = 0.0
    result: dict[str, Any] | None = None
    failure: Failure | None = None

    @property
    def is_last(self) -> bool:
        """Whether the task is over."""
        return self.kind in (DONE, FAILED, CANCELLED)

    def to_line(self) -> str:
        """Write as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_line(cls, line: str) -> "Message":
        """Read what `to_line` wrote."""
        values = json.loads(line)
        failure = values.pop("failure")
        return cls(**values, failure=None if failure is None else Failure(**failure))


class WorkerDiedError(BansoError):
    """A worker ended without being asked to."""


class Worker(Protocol):
    """Something that does one task at a time, apart from the process that serves."""

    @property
    def alive(self) -> bool:
        """Whether it can take a task."""
        ...

    def start(self) -> None:
        """Begin, or begin anew, and wait until it can take a task.

        Raises:
            WorkerDiedError: If it cannot begin; the message says why.
        """
        ...

    def begin(self, task: Task) -> None:
        """Hand it a task.

        Raises:
            WorkerDiedError: If it is gone.
        """
        ...

    def receive(self, timeout_seconds: float) -> Message | None:
        """Return what it says next, or None if it says nothing for a while.

        Raises:
            WorkerDiedError: If it is gone.
        """
        ...

    def cancel(self) -> None:
        """Ask it to give up its task."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...
