"""The pulses that a voice's notes may keep to, and the bar that each makes of them.

A Fourier transform of the onsets shows which steady pulses are possible; each of them folds the
notes into one bar, by what kind of note they are.

References:
    Grosche and Müller 2011, "Extracting predominant local pulse information", IEEE TASLP 19(6)
    (Fourier tempogram). Temperley 2007, "Music and Probability", chapter 3 (notes at metrical
    positions).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso.onsets import SungEvents

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

BEATS_PER_BAR = 4
BINS_PER_BEAT = 12
NUM_BINS = BEATS_PER_BAR * BINS_PER_BEAT
SLOWEST_BPM, FASTEST_BPM = 50.0, 180.0
NUM_CANDIDATES = 16
# Borders of note classes: time since and until the neighbouring notes and length, in beats, and the
# interval from the last note in semitones.
_GAPS = np.array([0.2, 0.35, 0.7, 1.2, 2.5])
_INTERVALS = np.array([-4.5, -0.5, 0.5, 4.5])
NUM_CLASSES = 3 * (len(_GAPS) + 1) + len(_INTERVALS) + 1 + 1 + 3
NUM_SCALARS = 8
_STRONG = 0.3
_GRID_SECONDS = 0.01
_REFERENCE_PERIOD = 0.77  # seconds; 78 beats per minute, the training songs' mean


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Possible pulses, and the bar that each makes of the notes.

    Attributes:
        period: Seconds a beat [candidates].
        salience: How well the onsets keep to it, 0 to 2.5 [candidates].
        bars: Notes by class at each place of a bar that starts at second 0
            [candidates, NUM_BINS, NUM_CLASSES].
    """

    period: Floats
    salience: Floats
    bars: Array


def find_candidates(events: SungEvents) -> Candidates:
    """Find the pulses that the onsets keep to best, and fold the notes into their bars.

    Args:
        events: At least two.
    """
    period, salience = _periods(events)
    return Candidates(period, salience, fold(events, period))


def scalars(candidates: Candidates) -> Array:
    """What the network is told of each pulse besides its bar [candidates, NUM_SCALARS]."""
    octaves = 2 * np.log2(candidates.period / _REFERENCE_PERIOD)
    waves = [wave(octaves * k) for wave in (np.sin, np.cos) for k in (1, 2, 3)]
    rows = np.stack([*waves, octaves, 3 * candidates.salience], axis=1)
    return np.asarray(rows, dtype=np.float32)


def _periods(events: SungEvents) -> tuple[Floats, Floats]:
    """Periods of the strongest pulses in seconds, and how strong each is: beat, eighths, 16ths."""
    weight = 0.3 + np.minimum(events.strength, 1.0)
    span = max(float(events.seconds[-1]), 20.0)
    steps = np.rint(events.seconds / _GRID_SECONDS).astype(np.int64)
    # Fine enough that a peak four times the beat's frequency is hit within an eighth of its width.
    size = 1 << int(np.ceil(np.log2(8 * 4 * span / _GRID_SECONDS)))
    spectrum = np.abs(np.fft.rfft(np.bincount(steps, weight), size)) / weight.sum()
    per_hz = size * _GRID_SECONDS
    first, last = int(SLOWEST_BPM / 60 * per_hz), int(FASTEST_BPM / 60 * per_hz)
    index = np.arange(first, last)
    strength = 0.5 * spectrum[index] + spectrum[2 * index] + spectrum[4 * index]
    inner = strength[1:-1]
    peaks = 1 + np.flatnonzero((inner > strength[:-2]) & (inner >= strength[2:]))
    if not len(peaks):
        peaks = np.array([1 + int(inner.argmax())])
    peaks = peaks[np.argsort(strength[peaks], kind="stable")[::-1][:NUM_CANDIDATES]]
    before, here, after = (strength[peaks + step] for step in (-1, 0, 1))
    offset = 0.5 * (before - after) / np.minimum(before - 2 * here + after, -1e-9)
    return per_hz / (index[peaks] + np.clip(offset, -1, 1)), here


def fold(events: SungEvents, period: Floats) -> Array:
    """Fold notes into the bars of some periods: by class at each place [periods, bins, classes]."""
    beats = period[:, None]
    place = (events.seconds / beats / BEATS_PER_BAR) % 1.0 * NUM_BINS
    below = place.astype(np.int64)
    share = place - below
    classes = _classes(events, beats)
    bars = np.zeros((len(period), NUM_BINS, NUM_CLASSES), dtype=np.float32)
    rows = np.broadcast_to(np.arange(len(period))[:, None], below.shape)
    np.add.at(bars, (rows, below % NUM_BINS), classes * (1 - share)[..., None])
    np.add.at(bars, (rows, (below + 1) % NUM_BINS), classes * share[..., None])
    return np.asarray(bars / np.sqrt(len(events)), dtype=np.float32)


def _classes(events: SungEvents, beats: Floats) -> Array:
    """What kind of note each event is at each pulse [candidates, events, NUM_CLASSES]."""
    far = 9.0
    since = np.diff(events.seconds, prepend=events.seconds[0] - far)
    until = np.diff(events.seconds, append=events.seconds[-1] + far)
    length = events.end_seconds - events.seconds
    interval = np.diff(events.pitch, prepend=events.pitch[0])
    parts = [_one_hot(_GAPS, value / beats) for value in (since, until, length)]
    parts.append(_one_hot(_INTERVALS, np.broadcast_to(interval, parts[0].shape[:2])))
    strength = np.broadcast_to(events.strength, parts[0].shape[:2])
    parts.append(
        np.stack([np.ones_like(strength), strength, strength > _STRONG, strength == 0], axis=2)
    )
    return np.concatenate(parts, axis=2, dtype=np.float32)


def _one_hot(borders: Floats, values: Floats) -> Floats:
    return np.asarray(np.eye(len(borders) + 1)[np.searchsorted(borders, values)])
