"""The peak of the sound between the samples, where converters and lossy formats would clip.

Only where it can be is it looked for. Between two samples a resampler gives a straight line plus
what its filter makes of the bends (second differences) nearby; the line is never above the samples,
and the rest at most the largest bend times a constant of the filter. In most music few stretches
can exceed what was found already.

References:
    ITU-R BS.1770-4 (2015), "Algorithms to measure audio programme loudness and true-peak audio
    level", Annex 2: four times the rate, then the largest magnitude; what lies between those
    points is at most 0.7 dB more, and only at the edge of hearing.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from banso.audio import Samples, resample_blocks

_OVERSAMPLING = 4
# Sum of magnitudes of (filter - straight line) taken as a filter of second differences: 0.542 for
# soxr's at the worst of the four phases. A test measures it again.
_BEND_GAIN = 0.55
# Samples; soxr's filter for four times the rate reaches 97 to either side.
_SEGMENT = 128
# So many samples at a time stay in the processor's cache.
_PIECE = 65_536
# A gap shorter than the context that each stretch needs is not worth two stretches.
_CONTEXT_SEGMENTS = 2


class TruePeakMeter:
    """True peak of a stream of blocks, full scale 1; memory does not grow with it.

    It is at least the largest sample: the resampler's filter may round a corner off.
    """

    def __init__(self) -> None:
        # What is not yet measured, after a segment of context.
        self._held: Samples | None = None
        self._peak = 0.0

    def add(self, block: Samples) -> None:
        """Take the next samples.

        Args:
            block: float32 [channels, samples]; channels must not change between calls.
        """
        if self._held is None:
            self._held = np.zeros((block.shape[0], _SEGMENT), np.float32)
        for start in range(0, block.shape[1], _PIECE):
            self._held = np.concatenate((self._held, block[:, start : start + _PIECE]), axis=1)
            ready = self._held.shape[1] // _SEGMENT - 2
            if ready > 0:
                self._measure(self._held[:, : (ready + 2) * _SEGMENT])
                self._held = self._held[:, ready * _SEGMENT :]

    def finish(self) -> float:
        """Measure the rest, which silence follows; return the peak."""
        if self._held is not None:
            # Beyond the last sample there is nothing to hear, though a filter would ring there.
            unheard = -self._held.shape[1] % _SEGMENT
            self._measure(np.pad(self._held, ((0, 0), (0, unheard + _SEGMENT))), unheard)
            self._held = None
        return self._peak

    def _measure(self, held: Samples, unheard: int = 0) -> None:
        """Look between the samples of whole segments, all but the first and the last.

        Args:
            held: [channels, segments * 128].
            unheard: How many samples at the end of the last but one are not to be looked at.
        """
        peaks = _largest_by_segment(held)
        self._peak = max(self._peak, float(peaks[1:-1].max(initial=0.0)))
        bounds = _bounds(held, peaks)
        runs = _runs(np.flatnonzero(bounds > self._peak))
        # The most promising first: it may rule the others out.
        for first, last in sorted(runs, key=lambda run: -bounds[run[0] : run[1]].max()):
            if bounds[first:last].max() > self._peak:
                fine = _oversampled(held[:, first * _SEGMENT : (last + 2) * _SEGMENT])
                inside = fine.shape[1] - _SEGMENT * _OVERSAMPLING
                inside -= unheard * _OVERSAMPLING * (last == len(bounds))
                self._peak = max(self._peak, _largest(fine[:, _SEGMENT * _OVERSAMPLING : inside]))


def _bounds(held: Samples, peaks: Samples) -> NDArray[np.float32]:
    """What the magnitude cannot exceed in each segment but the outer two [segments - 2]."""
    slopes = np.diff(held, axis=1)
    bends = np.empty_like(held)
    bends[:, [0, -1]] = 0
    np.subtract(slopes[:, 1:], slopes[:, :-1], out=bends[:, 1:-1])
    bend = _largest_by_segment(bends)
    near = np.maximum(np.maximum(bend[:-2], bend[1:-1]), bend[2:])
    # The line from a segment's last sample leads to the next one's first.
    return np.asarray(np.maximum(peaks[1:-1], peaks[2:]) + _BEND_GAIN * near, dtype=np.float32)


def _largest_by_segment(held: Samples) -> NDArray[np.float32]:
    segments = held.reshape(held.shape[0], -1, _SEGMENT)
    highest, lowest = segments.max(axis=(0, 2)), segments.min(axis=(0, 2))
    return np.asarray(np.maximum(highest, -lowest))


def _runs(segments: NDArray[np.intp]) -> list[tuple[int, int]]:
    """First and one past the last of each run of segments, short gaps included."""
    parts = np.split(segments, np.flatnonzero(np.diff(segments) > 1 + _CONTEXT_SEGMENTS) + 1)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)]


def _oversampled(stretch: Samples) -> Samples:
    length = stretch.shape[1]
    return np.concatenate([*resample_blocks([stretch], 1, _OVERSAMPLING, length)], axis=1)


def _largest(block: Samples) -> float:
    """Largest magnitude, found without an array of magnitudes."""
    return float(max(block.max(initial=0.0), -block.min(initial=0.0)))


def true_peak(blocks: Iterable[Samples]) -> float:
    """Return the true peak of a stream of blocks [channels, samples]; see `TruePeakMeter`."""
    meter = TruePeakMeter()
    for block in blocks:
        meter.add(block)
    return meter.finish()
