"""Where beats lie in time: positions counted in beats, and back to bars."""

import math
from dataclasses import dataclass
from itertools import pairwise

from banso.leadsheet import LeadSheet

TEMPO_RANGE_BPM = (5.0, 1000.0)
# One beat alone tells no tempo.
_LONE_BEAT_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class BeatGrid:
    """Times of positions that are counted in beats from the first beat on.

    Either a tempo, or taps; beyond the last tap their median step carries on.

    Attributes:
        start_seconds: Time of the first beat, if there is a tempo.
        tempo_bpm: Beats a minute, or None if there are taps.
        taps: Times of beats in seconds, at least one without a tempo.
    """

    start_seconds: float = 0.0
    tempo_bpm: float | None = None
    taps: tuple[float, ...] = ()

    def time_at(self, position: float) -> float:
        """Return the seconds of a position in beats, at least 0; whole ones meet the taps."""
        if self.tempo_bpm is not None:
            return self.start_seconds + position * (60 / self.tempo_bpm)
        index = math.floor(position)
        if index >= len(self.taps) - 1:
            return self.taps[-1] + (position - (len(self.taps) - 1)) * self._step
        if index == position:
            return self.taps[index]
        before, after = self.taps[index], self.taps[index + 1]
        return before + (position - index) * (after - before)

    def beats(self, count: int) -> tuple[float, ...]:
        """Return the first beats."""
        return tuple(self.time_at(float(index)) for index in range(count))

    @property
    def _step(self) -> float:
        steps = sorted(b - a for a, b in pairwise(self.taps))
        return steps[len(steps) // 2] if steps else _LONE_BEAT_SECONDS


def grid_of(sheet: LeadSheet) -> BeatGrid | None:
    """Return the grid of a sheet's beats: a tempo if that gives exactly these, else taps.

    Returns:
        The grid; None if the sheet has no beats.
    """
    beats, bpm = sheet.beats, sheet.tempo_bpm
    if not beats:
        return None
    if bpm is not None and math.isfinite(bpm):
        mean = 60 * (len(beats) - 1) / (beats[-1] - beats[0])
        for rounded in (*(round(mean, digits) for digits in range(9)), mean, bpm):
            if TEMPO_RANGE_BPM[0] <= rounded <= TEMPO_RANGE_BPM[1]:
                grid = BeatGrid(start_seconds=beats[0], tempo_bpm=rounded)
                if grid.beats(len(beats)) == beats:
                    return grid
    return BeatGrid(taps=beats)


def bar_starts(pickup: int, lengths: tuple[int, ...]) -> tuple[int, ...]:
    """Return the position of every bar's first beat, the pickup's first if there is one."""
    starts = [0] if pickup else []
    position = pickup
    for length in lengths:
        starts.append(position)
        position += length
    return tuple(starts)
