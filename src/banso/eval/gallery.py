"""Observe many bands: from disk if they are known, else made here and measured in processes."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from banso.audio import Audio
from banso.eval.hearing import Array, compile_loops
from banso.eval.observation import Observation, Observer, Store
from banso.files import write_audio

# Recordings of a minute and a half take 34 MB each.
_MOST_WAITING = 3


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rendition:
    """A band as it was made.

    Attributes:
        samples: Waveform [2, samples], full scale ±1.
        sample_rate: In Hz.
        seam_seconds: Where windows meet.
        made_in_seconds: How long it took; NaN for what was read from a file.
    """

    samples: Array
    sample_rate: int
    seam_seconds: tuple[float, ...] = ()
    made_in_seconds: float = float("nan")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Picture:
    """One band to be observed.

    Attributes:
        name: Under which its observation is kept; empty to keep it nowhere.
        make: Reads or generates it.
        audio_file: Where to write the band as FLAC; None for nowhere.
    """

    name: str
    make: Callable[[], Rendition]
    audio_file: Path | None = None


class Gallery(AbstractContextManager["Gallery"]):
    """Observes bands side by side with their making; use in a `with` statement.

    Args:
        observer: How to look.
        store: What is known already.
        workers: Processes; 0 observes in this one.
        on_progress: Called with the fraction done.
        total: How many bands will be observed in all.
    """

    def __init__(
        self,
        observer: Observer,
        store: Store,
        workers: int,
        on_progress: Callable[[float], None] | None = None,
        total: int = 1,
    ) -> None:
        self._observer, self._store = observer, store
        self._on_progress, self._total, self._done = on_progress, total, 0
        # Spawned, because the parent may hold the threads of an inference session.
        context = multiprocessing.get_context("spawn")
        if workers:
            compile_loops()
        self._pool = ProcessPoolExecutor(workers, mp_context=context) if workers else None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def observe(self, pictures: Sequence[Picture]) -> list[Observation]:
        """Observe bands, each made when its turn comes.

        Args:
            pictures: What to observe.

        Returns:
            One observation for each, in order.
        """
        return list(self._in_order(pictures))

    def _in_order(self, pictures: Iterable[Picture]) -> Iterator[Observation]:
        waiting: deque[tuple[Picture, Future[Observation]]] = deque()
        for picture in pictures:
            waiting.append((picture, self._begin(picture)))
            if len(waiting) > _MOST_WAITING:
                yield self._finished(*waiting.popleft())
        while waiting:
            yield self._finished(*waiting.popleft())

    def _begin(self, picture: Picture) -> Future[Observation]:
        known = self._store.load(picture.name) if picture.name else None
        heard = picture.audio_file is None or picture.audio_file.is_file()
        if known is not None and heard:
            return _done(known)
        made = picture.make()
        if picture.audio_file is not None:
            picture.audio_file.parent.mkdir(parents=True, exist_ok=True)
            within = np.clip(made.samples, -1, 1).astype(np.float32)
            write_audio(picture.audio_file, Audio(within, made.sample_rate), overwrite=True)
        if known is not None:
            return _done(known)
        task = (made.samples, made.sample_rate, made.seam_seconds, made.made_in_seconds)
        if self._pool is None:
            return _done(self._observer.observe(*task))
        return self._pool.submit(self._observer.observe, *task)

    def _finished(self, picture: Picture, future: Future[Observation]) -> Observation:
        observation = future.result()
        if picture.name:
            self._store.save(picture.name, observation)
        self._done += 1
        if self._on_progress is not None:
            self._on_progress(min(1.0, self._done / self._total))
        return observation


def _done(observation: Observation) -> Future[Observation]:
    future: Future[Observation] = Future()
    future.set_result(observation)
    return future
