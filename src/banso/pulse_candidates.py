"""The pulses that a voice's notes may keep to, and the bar that each makes of them.

A Fourier transform of the onsets shows which steady pulses are possible; each of them folds the
notes into one bar of four beats and into one of three, by what kind of note they are. How often the
same note comes again so and so many beats later tells which of these bars the song is made of.

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

METERS = (4, 3)  # beats in a bar
BINS_PER_BEAT = 12
LEVELS = np.array([1, 2, 4])  # onsets a beat of a pulse's beats, eighths and sixteenths
_LEVEL_WEIGHTS = np.array([0.5, 1.0, 1.0])
SLOWEST_BPM, FASTEST_BPM = 50.0, 180.0
NUM_CANDIDATES = 16
# Borders of note classes: time since and until the neighbouring notes and length, in beats, and the
# interval from the last note in semitones.
_GAPS = np.array([0.2, 0.35, 0.7, 1.2, 2.5])
_INTERVALS = np.array([-4.5, -0.5, 0.5, 4.5])
NUM_CLASSES = 3 * (len(_GAPS) + 1) + len(_INTERVALS) + 1 + 1 + 3
# Beats after which notes may come again.
_LAGS = np.array([1, 2, 3, 4, 6, 8, 12, 16])
NUM_SCALARS = 8 + 2 * len(_LAGS) + 1
_STRONG = 0.3
_GRID_SECONDS = 0.01
_REFERENCE_PERIOD = 0.77  # seconds; 78 beats per minute, the training songs' mean
_AGAIN_BEATS = 0.2  # what comes again may be so late or early


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Possible pulses, and the bar that each makes of the notes.

    Attributes:
        period: Seconds a beat [candidates].
        salience: How well the onsets keep to it, 0 to 2.5 [candidates].
        repetition: How often a note, and one of the same pitch, begins some beats after another
            [candidates, 2 lags].
        bars: For each of `METERS`, notes by class at each place of a bar that starts at second 0
            [candidates, beats * BINS_PER_BEAT, NUM_CLASSES].
    """

    period: Floats
    salience: Floats
    repetition: Floats
    bars: tuple[Array, ...]


def find_candidates(events: SungEvents) -> Candidates:
    """Find the pulses that the onsets keep to best, and fold the notes into their bars.

    Args:
        events: At least two.
    """
    return candidates_at(events, *find_periods(events))


def onset_weights(events: SungEvents) -> Floats:
    """How much each onset counts in a Fourier transform [events]."""
    return np.asarray(0.3 + np.minimum(events.strength, 1.0))


def salience(events: SungEvents, periods: Floats) -> Floats:
    """How well onsets keep to pulses, 0 to 2.5 [periods]: beats, eighths and sixteenths."""
    rates = np.outer(LEVELS, 1 / periods)
    strength = np.abs(onset_spectrum(events, rates.ravel())).reshape(rates.shape)
    return np.asarray(_LEVEL_WEIGHTS @ strength / onset_weights(events).sum())


def onset_spectrum(events: SungEvents, rates: Floats) -> NDArray[np.complex128]:
    """Fourier transform of the onsets at some rates in Hz [rates]."""
    turns = np.exp(-2j * np.pi * np.outer(rates, events.seconds))
    return np.asarray(turns @ onset_weights(events))


def candidates_at(events: SungEvents, period: Floats, salience: Floats) -> Candidates:
    """Fold the notes into the bars of given pulses; see `Candidates`."""
    bars = tuple(fold(events, period, beats) for beats in METERS)
    return Candidates(period, salience, _repetition(events, period), bars)


def scalars(candidates: Candidates, beats_per_bar: int) -> Array:
    """What the network is told of each pulse besides its bar [candidates, NUM_SCALARS]."""
    octaves = 2 * np.log2(candidates.period / _REFERENCE_PERIOD)
    waves = [wave(octaves * k) for wave in (np.sin, np.cos) for k in (1, 2, 3)]
    rows = [*waves, octaves, 3 * candidates.salience, *candidates.repetition.T]
    rows.append(np.full(len(octaves), float(beats_per_bar == METERS[1])))
    return np.asarray(np.stack(rows, axis=1), dtype=np.float32)


def _repetition(events: SungEvents, period: Floats) -> Floats:
    """How often something, and the same pitch, begins some beats later [periods, 2 lags]."""
    later = events.seconds[None] - events.seconds[:, None]
    same = np.rint(events.pitch[None] - events.pitch[:, None]) % 12 == 0
    first, second = np.nonzero((later > 0.1) & (later < 17 * period.max()))
    away, alike = later[first, second], same[first, second]
    rows = []
    for beat in period:
        found = []
        for lag in _LAGS:
            near = np.abs(away / beat - lag) < _AGAIN_BEATS
            for hit in (near, near & alike):
                found.append((np.bincount(first[hit], minlength=len(events)) > 0).mean())
        rows.append(found)
    return np.array(rows, dtype=np.float64)


def find_periods(events: SungEvents) -> tuple[Floats, Floats]:
    """Periods of the strongest pulses in seconds, and the salience of each."""
    weight = onset_weights(events)
    span = max(float(events.seconds[-1]), 20.0)
    steps = np.rint(events.seconds / _GRID_SECONDS).astype(np.int64)
    # Fine enough that a peak four times the beat's frequency is hit within an eighth of its width.
    size = 1 << int(np.ceil(np.log2(8 * 4 * span / _GRID_SECONDS)))
    spectrum = np.abs(np.fft.rfft(np.bincount(steps, weight), size)) / weight.sum()
    per_hz = size * _GRID_SECONDS
    first, last = int(SLOWEST_BPM / 60 * per_hz), int(FASTEST_BPM / 60 * per_hz)
    index = np.arange(first, last)
    levels = zip(_LEVEL_WEIGHTS, LEVELS, strict=True)
    strength = np.sum([weight * spectrum[level * index] for weight, level in levels], axis=0)
    inner = strength[1:-1]
    peaks = 1 + np.flatnonzero((inner > strength[:-2]) & (inner >= strength[2:]))
    if not len(peaks):
        peaks = np.array([1 + int(inner.argmax())])
    peaks = peaks[np.argsort(strength[peaks], kind="stable")[::-1][:NUM_CANDIDATES]]
    before, here, after = (strength[peaks + step] for step in (-1, 0, 1))
    offset = 0.5 * (before - after) / np.minimum(before - 2 * here + after, -1e-9)
    return per_hz / (index[peaks] + np.clip(offset, -1, 1)), here


def fold(events: SungEvents, period: Floats, beats_per_bar: int) -> Array:
    """Fold notes into the bars of some periods: by class at each place [periods, bins, classes]."""
    beats, num_bins = period[:, None], beats_per_bar * BINS_PER_BEAT
    place = (events.seconds / beats / beats_per_bar) % 1.0 * num_bins
    below = place.astype(np.int64)
    share = place - below
    classes = _classes(events, beats)
    near = np.zeros((*place.shape, num_bins), dtype=np.float32)
    rows, columns = np.indices(place.shape)
    near[rows, columns, below % num_bins] = 1 - share
    near[rows, columns, (below + 1) % num_bins] = share
    bars = near.swapaxes(1, 2) @ classes
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
