"""Run many independent jobs on all cores, with progress, one line per rejected one."""

import ctypes
import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from banso.cores import usable_cores
from banso.errors import BansoError

logger = logging.getLogger(__name__)


class Job(Protocol):
    """Something to be made, by its name."""

    @property
    def name(self) -> str:
        """What the user is told if it is rejected."""


JobT = TypeVar("JobT", bound=Job)


def run_jobs(make: Callable[[JobT], object], jobs: Sequence[JobT], workers: int | None) -> int:
    """Run jobs in processes of one thread each; with a progress bar on a terminal.

    Args:
        make: A function of a module; its result is dropped.
        jobs: What to call it with.
        workers: Processes; None for one per core, 1 for none besides this one.

    Returns:
        How many jobs were rejected by a `BansoError`; each is logged in one line.
    """
    rejected = done = 0
    count = workers or usable_cores()
    attempt = partial(_attempt, make)
    console = Console(stderr=True)
    columns = (TextColumn("preparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("items", total=len(jobs))
        results = map(attempt, jobs) if count == 1 else _in_processes(attempt, jobs, count)
        for reason in results:
            if reason is not None:
                rejected += 1
                logger.warning(reason)
            progress.advance(bar)
            done += 1
            # Where no bar can be drawn, every tenth of the way is told.
            if not console.is_terminal and 10 * done // len(jobs) > 10 * (done - 1) // len(jobs):
                logger.info("%d of %d done", done, len(jobs))
    return rejected


def _attempt(make: Callable[[JobT], object], job: JobT) -> str | None:
    """Do a job; return the reason if it had to be rejected."""
    try:
        make(job)
    except BansoError as error:
        return f"{job.name} rejected: {error}"
    finally:
        give_back_memory()
    return None


def give_back_memory() -> None:
    """Give what is free back to the system.

    Otherwise the C library keeps much of it between long-lived pieces: of two workers that made 240
    items, one held 320 MiB from its 80th to its last, the other once came to hold 100 more.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _in_processes(
    attempt: Callable[[JobT], str | None], jobs: Sequence[JobT], workers: int
) -> Iterator[str | None]:
    """Yield results as they come; only a few jobs are under way, so stopping is quick."""
    waiting = iter(jobs)
    with _one_thread_each(), ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        running: set[Future[str | None]] = set()
        try:
            while True:
                for job in waiting:
                    running.add(pool.submit(attempt, job))
                    if len(running) >= 2 * workers:
                        break
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            # Whoever interrupts waits for what is being made, not for what is next.
            pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let worker processes use one thread each; more would fight over the same cores."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
