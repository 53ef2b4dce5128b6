"""Where the time of a run goes, by phase."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")
_REST = "rest"


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall-clock seconds of one run; together they are the whole run."""

    features_seconds: float
    denoise_seconds: float
    decode_seconds: float
    rest_seconds: float

    @property
    def total_seconds(self) -> float:
        """The whole run."""
        return (
            self.features_seconds + self.denoise_seconds + self.decode_seconds + self.rest_seconds
        )


class Stopwatch:
    """Charges every moment to exactly one phase, the innermost being measured.

    The steps of a run are generators that draw on one another, so the phases interleave.
    """

    def __init__(self) -> None:
        self._seconds = {"features": 0.0, "denoise": 0.0, "decode": 0.0, _REST: 0.0}
        self._phases = [_REST]
        self._last = time.perf_counter()

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Charge the time inside the context to `features`, `denoise` or `decode`."""
        self._charge()
        self._phases.append(phase)
        try:
            yield
        finally:
            self._charge()
            self._phases.pop()

    def timed(self, items: Iterable[Item], phase: str) -> Iterator[Item]:
        """Yield the items, charging the time it takes to produce them."""
        iterator = iter(items)
        end = object()
        while True:
            with self.measure(phase):
                item = next(iterator, end)
            if item is end:
                return
            yield item  # type: ignore[misc]

    @property
    def timings(self) -> Timings:
        """The seconds so far."""
        self._charge()
        return Timings(**{f"{phase}_seconds": value for phase, value in self._seconds.items()})

    def _charge(self) -> None:
        now = time.perf_counter()
        self._seconds[self._phases[-1]] += now - self._last
        self._last = now
