"""Seconds of ticks and ticks of seconds, through a tempo map."""

import bisect
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from banso.errors import DataError
from banso.midi_file import TEMPO, MetaEvent

_DEFAULT_MICROSECONDS = 500_000
_SLOWEST_MICROSECONDS = (1 << 24) - 1
# A new tempo is written only where beats would otherwise be off by more than this.
_TOLERANCE_MICROSECONDS = 20.0


@dataclass(frozen=True, slots=True)
class MidiClock:
    """A tempo map.

    Attributes:
        ticks_per_quarter: Resolution.
        ticks: Where the tempo changes; the first is 0.
        seconds: When that is.
        quarter_microseconds: The tempo from there on.
    """

    ticks_per_quarter: int
    ticks: tuple[int, ...]
    seconds: tuple[float, ...]
    quarter_microseconds: tuple[int, ...]

    def seconds_at(self, tick: int) -> float:
        """Return when a tick is."""
        index = bisect.bisect_right(self.ticks, tick) - 1
        return self.seconds[index] + (tick - self.ticks[index]) * self._tick_seconds(index)

    def tick_at(self, seconds: float) -> int:
        """Return the tick nearest to a time; 0 for times before the start."""
        index = max(0, bisect.bisect_right(self.seconds, seconds) - 1)
        later = (seconds - self.seconds[index]) / self._tick_seconds(index)
        return max(0, self.ticks[index] + round(later))

    def events(self) -> tuple[MetaEvent, ...]:
        """Return the map as tempo events."""
        return tuple(
            MetaEvent(tick, TEMPO, tempo.to_bytes(3))
            for tick, tempo in zip(self.ticks, self.quarter_microseconds, strict=True)
        )

    def _tick_seconds(self, index: int) -> float:
        return self.quarter_microseconds[index] * 1e-6 / self.ticks_per_quarter


def clock_of_events(events: Iterable[MetaEvent], ticks_per_quarter: int) -> MidiClock:
    """Return the tempo map of a file.

    Args:
        events: Its tempo events by tick; the last of one tick counts.
        ticks_per_quarter: Resolution.

    Raises:
        DataError: If a tempo is 0.
    """
    tempi = {0: _DEFAULT_MICROSECONDS}
    for event in events:
        tempi[event.tick] = int.from_bytes(event.data[:3])
        if tempi[event.tick] == 0:
            raise DataError("the MIDI file has a tempo of no duration; set a tempo in it")
    return _clock(tempi, ticks_per_quarter)


def clock_of_marks(
    times: Iterable[float], ticks_per_mark: int, ticks_per_quarter: int
) -> MidiClock:
    """Return the tempo map that brings equally spaced ticks to given times.

    Args:
        times: Seconds, increasing, the first at least 0 and the tempo's beginning; where it is not
            0, the ticks before it are not covered.
        ticks_per_mark: Ticks between two of the times.
        ticks_per_quarter: Resolution.

    Raises:
        DataError: If marks are too far from or too near to each other.
    """
    marks = np.asarray(tuple(times), np.float64) * 1e6
    scale = ticks_per_quarter / ticks_per_mark
    tempi: dict[int, int] = {}
    reached, tempo = 0.0, 0
    for index, target in enumerate(marks[1:]):
        ahead = reached + tempo / scale
        if not tempo or abs(ahead - target) > _TOLERANCE_MICROSECONDS:
            tempo = round(float(target - reached) * scale)
            if not 0 < tempo <= _SLOWEST_MICROSECONDS:
                raise DataError(
                    f"two beats are {tempo * 1e-6 / scale:.3f} s apart, which MIDI cannot hold"
                )
            tempi[index * ticks_per_mark] = tempo
        reached += tempo / scale
    return _clock(tempi or {0: _DEFAULT_MICROSECONDS}, ticks_per_quarter)


def _clock(tempi: dict[int, int], ticks_per_quarter: int) -> MidiClock:
    ticks = sorted(tempi)
    seconds = [0.0]
    for before, after in itertools.pairwise(ticks):
        step = tempi[before] * 1e-6 / ticks_per_quarter
        seconds.append(seconds[-1] + (after - before) * step)
    return MidiClock(
        ticks_per_quarter, tuple(ticks), tuple(seconds), tuple(tempi[tick] for tick in ticks)
    )
