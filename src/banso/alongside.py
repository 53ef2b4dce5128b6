"""Do something with each block in a thread of its own, while the next block is made."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


@contextmanager
def alongside(work: Callable[[Item], None]) -> Iterator[Callable[[Item], None]]:
    """Give a function that hands items to `work`, which takes them in order, one at a time.

    Handing over waits until the item before is done, so that memory does not grow; by the end of
    the context all are done.

    Args:
        work: Called in another thread, which numpy lets run while it computes.

    Raises:
        Exception: What `work` raised, when the next item is handed over or at the end.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        running: Future[None] | None = None

        def hand_over(item: Item) -> None:
            nonlocal running
            if running is not None:
                running.result()
            running = thread.submit(work, item)

        yield hand_over
        if running is not None:
            running.result()
