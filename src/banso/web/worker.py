"""A worker process: `python -m banso.web.worker`, tasks on stdin, messages on stdout.

It ends when its stdin does, so no worker outlives a server that was killed.
"""

import argparse
import logging
import os
import queue
import sys
import threading
from pathlib import Path
from typing import TextIO

import numpy as np

from banso.audio import Audio
from banso.errors import BansoError
from banso.options import GenerationOptions
from banso.pipeline import Accompanist
from banso.web.jobs import Failure
from banso.web.messages import FAILED, PROGRESS, READY, Message, Task
from banso.web.performing import CancelledTaskError, code_of, perform
from banso.web.remembering import RememberingAccompanist

CANCEL = "cancel"
# Below the web process, so that pages answer while music is made.
_NICENESS = 5
_WARM_UP_SECONDS = 1.0
_MAX_REASON = 300


class _Inbox:
    """What comes in on stdin: tasks to be queued, and cancellations, which must not wait."""

    def __init__(self, lines: TextIO) -> None:
        self.tasks: queue.Queue[Task] = queue.Queue()
        self.cancelled = threading.Event()
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()

    def _listen(self, lines: TextIO) -> None:
        for line in lines:
            if line.strip() == CANCEL:
                self.cancelled.set()
            else:
                self.cancelled.clear()
                self.tasks.put(Task.from_line(line))
        # The server is gone. Whatever is being made, nobody will fetch it from here.
        os._exit(0)


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s:     worker %(message)s")
    inbox, out = _Inbox(sys.stdin), _take_stdout()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    try:
        accompanist = RememberingAccompanist.from_bundle(arguments.bundle, arguments.threads)
        warm_up(accompanist)
    except Exception as error:
        # Whatever it is, the service should be able to tell why it does no work.
        code = code_of(error) if isinstance(error, BansoError) else "internal"
        text = " ".join(str(error).split())[:_MAX_REASON] or type(error).__name__
        _say(out, Message(kind=FAILED, failure=Failure(code=code, message=text)))
        return
    _say(out, Message(kind=READY))
    while True:
        _do(inbox.tasks.get(), accompanist, inbox.cancelled, out)


def warm_up(accompanist: Accompanist) -> None:
    """Run once on a second of noise, so that the first user does not wait for the first run."""
    noise = np.random.default_rng(0).standard_normal((1, int(44_100 * _WARM_UP_SECONDS)))
    accompanist.accompany(
        Audio(0.1 * noise.astype(np.float32), 44_100), GenerationOptions(seed=0, num_steps=1)
    )


def _do(task: Task, accompanist: Accompanist, cancelled: threading.Event, out: TextIO) -> None:
    def on_progress(fraction: float) -> None:
        if cancelled.is_set():
            raise CancelledTaskError
        _say(out, Message(kind=PROGRESS, fraction=fraction))

    _say(out, perform(task, accompanist, on_progress))


def _take_stdout() -> TextIO:
    """Keep stdout for messages; what a library prints goes to stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def _say(out: TextIO, message: Message) -> None:
    out.write(message.to_line() + "\n")
    out.flush()


if __name__ == "__main__":
    main()
