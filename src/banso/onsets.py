"""Where sung notes begin, in the vocal features: the events that pulse and meter are read from.

References:
    Böck, Krebs and Schedl 2012, "Evaluating the online capabilities of onset detection methods",
    ISMIR (peak picking by a moving maximum and a moving mean). Mardia and Jupp 2000, "Directional
    Statistics", section 6.3 (Rayleigh test).
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from banso import features

Floats = NDArray[np.float64]

_STEP = features.ONSETS_PER_FRAME  # fine steps a frame: 11.6 ms each
_PEAK_REACH, _MEAN_REACH = 5, 17  # fine steps either way: 58 ms, 0.2 s
_PEAK_RATIO, _PEAK_RISE = 1.3, 0.06
_VOICED_SOON = 10  # a consonant's burst comes up to so many fine steps before its vowel
_HIGH_BAND = 0.5  # weight of hiss, which consonants have and breaths too
_APART_SECONDS = 0.09  # a change of pitch this close to a burst is the same event
_LONGEST_SECONDS = 2.0
# Nats that onsets at random reach on a given grid with a probability of 0.0003: the best of some
# hundred grids has half as many more.
_ON_GRID_NATS = 8.0
# How late sung onsets are found on the true beats of 51 rendered songs, median.
_USUALLY_LATE_SECONDS = 0.007


@dataclass(frozen=True, slots=True, eq=False)
class SungEvents:
    """Beginnings of sung notes, in order.

    Attributes:
        seconds: When each begins [events].
        end_seconds: When its voice stops or the next begins [events].
        pitch: MIDI note number of its first 0.2 s [events].
        strength: How far its burst stands out; 0 for a change of pitch without any [events].
    """

    seconds: Floats
    end_seconds: Floats
    pitch: Floats
    strength: Floats

    def __len__(self) -> int:
        return len(self.seconds)


def find_events(rows: NDArray[np.float32], frame_rate: float) -> SungEvents:
    """Find where sung notes begin.

    Args:
        rows: Vocal features [frames, features] of `banso.features`.
        frame_rate: Frames per second.

    Returns:
        Events at bursts that a voice follows, and where a voice sets in or steps to another pitch.
    """
    if len(rows) < 4:
        return SungEvents(*(np.zeros(0) for _ in range(4)))
    bursts, strength = _bursts(rows)
    seconds = (bursts + 0.5) / _STEP / frame_rate
    steps = _pitch_steps(rows) / frame_rate
    if len(seconds):
        steps = steps[np.abs(steps[:, None] - seconds).min(axis=1) > _APART_SECONDS]
    every = np.concatenate([seconds, steps])
    order = np.argsort(every, kind="stable")
    strength = np.concatenate([strength, np.zeros(len(steps))])[order]
    return _with_pitch(rows, every[order], strength, frame_rate)


def beside_grid(events: SungEvents, beats: Floats) -> tuple[bool, float]:
    """Tell whether onsets keep to the eighths or sixteenths of beats, and how far beside them.

    Args:
        events: Where notes begin.
        beats: Seconds, increasing.

    Returns:
        Whether they do; and if so, by how many seconds the beats are to be moved, so that they are
        on them, but for being as late as singers are.
    """
    if len(beats) < 2 or not len(events):
        return False, 0.0
    # Strong ones count more, those that are changes of pitch alone next to nothing.
    weights = events.strength + 1e-3
    places = np.interp(events.seconds, beats, np.arange(len(beats)))
    levels = np.array([2.0, 4.0])
    vectors = np.exp(2j * np.pi * levels[:, None] * places) @ weights
    best = int(np.abs(vectors).argmax())
    # Rayleigh's statistic, the number of onsets times the square of their mean vector.
    if np.square(np.abs(vectors[best])) / np.square(weights).sum() < _ON_GRID_NATS:
        return False, 0.0
    late = float(np.angle(vectors[best]) / (2 * np.pi * levels[best]))
    return True, late * float(np.median(np.diff(beats))) - _USUALLY_LATE_SECONDS


def _bursts(rows: NDArray[np.float32]) -> tuple[NDArray[np.int64], Floats]:
    """Fine steps at which something voiced sets in, and how far each stands out."""
    low, high = (part.reshape(-1) for part in np.split(rows[:, features.ONSETS], 2, axis=1))
    curve = np.convolve(low + _HIGH_BAND * high, [0.25, 0.5, 0.25], "same")
    largest = sliding_window_view(np.pad(curve, _PEAK_REACH), 2 * _PEAK_REACH + 1).max(axis=1)
    total = np.cumsum(np.pad(curve, (1, 0)))
    index = np.arange(len(curve))
    start, stop = (
        np.maximum(index - _MEAN_REACH, 0),
        np.minimum(index + _MEAN_REACH + 1, len(curve)),
    )
    mean = (total[stop] - total[start]) / (stop - start)
    voicing = np.repeat(rows[:, features.VOICING], _STEP)
    soon = sliding_window_view(np.pad(voicing, (0, _VOICED_SOON - 1)), _VOICED_SOON).max(axis=1)
    peak = (curve >= largest) & (curve > _PEAK_RATIO * mean + _PEAK_RISE) & (soon > 0.4)
    where = np.flatnonzero(peak)
    return where, np.asarray(curve - mean, dtype=np.float64)[where]


def _pitch_steps(rows: NDArray[np.float32]) -> NDArray[np.int64]:
    """Frames in which a voice sets in, or leaves a held pitch for another that is held."""
    voiced = rows[:, features.VOICING] > 0.5
    pitch = rows[:, features.PITCH].argmax(axis=1)
    now = np.arange(2, len(rows) - 2)
    sung = voiced[now] & voiced[now + 1]
    moved = (pitch[now - 1] != pitch[now]) & (pitch[now + 1] == pitch[now])
    # A slide passes through neighbouring semitones; a step leaves a pitch that was held, or leaps.
    moved &= (pitch[now - 2] == pitch[now - 1]) | (np.abs(pitch[now - 1] - pitch[now]) > 1)
    return np.asarray(now[sung & (~voiced[now - 1] | moved)], dtype=np.int64)


def _with_pitch(
    rows: NDArray[np.float32], seconds: Floats, strength: Floats, frame_rate: float
) -> SungEvents:
    limit = np.append(seconds[1:], np.inf)
    limit = np.minimum(limit, seconds + _LONGEST_SECONDS)
    end, pitch = np.zeros(len(seconds)), np.zeros(len(seconds))
    first = np.minimum((seconds * frame_rate + 0.7).astype(np.int64), len(rows) - 1)
    last = np.minimum(np.ceil(limit * frame_rate).astype(np.int64), len(rows))
    for event, (start, stop) in enumerate(zip(first, last, strict=True)):
        unvoiced = np.flatnonzero(rows[start:stop, features.VOICING] <= 0.4)
        stop = start + unvoiced[0] if len(unvoiced) else stop
        end[event] = np.clip(stop / frame_rate, seconds[event] + 0.05, limit[event])
        sung = rows[start : max(stop, start + 1), features.PITCH][:4].sum(axis=0)
        pitch[event] = features.LOWEST_MIDI + sung.argmax()
    return SungEvents(seconds, np.maximum(end, seconds + 0.02), pitch, strength)
