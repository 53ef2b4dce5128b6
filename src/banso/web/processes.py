"""Workers as processes of this machine."""

import queue
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO

from banso.web.messages import READY, Message, Task, WorkerDiedError
from banso.web.settings import ServiceSettings

# Loading takes half a second; an old disk and a busy machine get their time.
_START_SECONDS = 120.0


class WorkerProcess:
    """A process that does one task at a time; it can be killed and started again.

    Args:
        settings: Which bundle to load, and how many threads to use.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._command = [sys.executable, "-m", "banso.web.worker"]
        self._command += ["--threads", str(settings.threads_per_worker)]
        if settings.bundle is not None:
            self._command += ["--bundle", str(settings.bundle)]
        self._process: subprocess.Popen[str] | None = None
        self._said: queue.Queue[str | None] = queue.Queue()

    @property
    def alive(self) -> bool:
        """Whether it can take a task."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Number of the process, for whoever must end it."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Begin, or begin anew, and wait until the model is loaded.

        Raises:
            WorkerDiedError: If it cannot be; the message says why.
        """
        self.kill()
        # In a session of its own: Ctrl-C is for the server, which then closes the worker's stdin.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._said = queue.Queue()
        listen = (self._process.stdout, self._said)
        threading.Thread(target=_listen, args=listen, daemon=True).start()
        message = self.receive(_START_SECONDS)
        if message is None or message.kind != READY:
            self.kill()
            failure = None if message is None else message.failure
            reason = "it does not answer" if failure is None else failure.message
            raise WorkerDiedError(f"the worker cannot start: {reason}")

    def begin(self, task: Task) -> None:
        """Hand it a task.

        Raises:
            WorkerDiedError: If it is gone.
        """
        self._tell(task.to_line())

    def receive(self, timeout_seconds: float) -> Message | None:
        """Return what it says next, or None if it says nothing for a while.

        Raises:
            WorkerDiedError: If it is gone.
        """
        try:
            line = self._said.get(timeout=timeout_seconds)
        except queue.Empty:
            return None
        if line is None:
            self.kill()
            raise WorkerDiedError("the worker ended unexpectedly")
        return Message.from_line(line)

    def cancel(self) -> None:
        """Ask it to give up its task."""
        self._tell("cancel")

    def kill(self) -> None:
        """End it at once; nothing happens if it has ended."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _tell(self, line: str) -> None:
        stdin = None if self._process is None else self._process.stdin
        if stdin is None or stdin.closed:
            raise WorkerDiedError("the worker is not running")
        try:
            stdin.write(line + "\n")
            stdin.flush()
        except OSError as error:
            raise WorkerDiedError(f"the worker is gone: {error.strerror or error}") from error


def _listen(lines: IO[str], said: "queue.Queue[str | None]") -> None:
    """Pass on each line as it comes, then None."""
    with lines:
        for line in lines:
            said.put(line)
    said.put(None)
