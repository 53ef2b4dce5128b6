"""Bars and steadiness of what a band plays, from onsets and harmony alone.

References:
    Goto 2001, "An audio-based real-time beat tracking system for music with or without
    drum-sounds", JNMR 30(2) (chord changes and bass drum mark the bar). Davies et al. 2009, QMUL
    C4DM-TR-09-06 (F-measure, ±70 ms). Gouyon et al. 2006, IEEE TASLP 14(5) (tempo right within
    4 %).
"""

from itertools import pairwise

import mir_eval
import numpy as np
from numpy.typing import NDArray

from banso.eval.beat_tracking import track_beats
from banso.eval.hearing import ANALYSIS_RATE, CHROMA_HOP, ONSET_HOP, Array, Heard
from banso.eval.metrics import BEAT_TOLERANCE_SECONDS
from banso.eval.statistics import separation

_TEMPO_TOLERANCE = 0.04
_WINDOW_SECONDS, _STEP_SECONDS = 8.0, 2.0
_SLOWEST_BPM, _FASTEST_BPM = 50.0, 200.0
_SEARCHED = 1.15  # local periods this far from the whole recording's count as another tempo


def downbeat_f1(
    downbeats: NDArray[np.float64], beats_per_bar: int, tempo_bpm: float, heard: Heard
) -> float:
    """F-measure of the bars' first beats that a band plays, ±70 ms.

    Args:
        downbeats: Of the score, in seconds.
        beats_per_bar: Of the score; music alone does not say whether a bar is two beats or four.
        tempo_bpm: Of the score, the tracker's prior.
        heard: The band.

    Returns:
        Score in [0, 1]; NaN with under two downbeats in the score.
    """
    if len(downbeats) < 2:
        return float("nan")
    estimated = track_downbeats(heard, beats_per_bar, tempo_bpm)
    if len(estimated) == 0:
        return 0.0
    return float(mir_eval.beat.f_measure(downbeats, estimated, BEAT_TOLERANCE_SECONDS))


def downbeat_accent(
    beats: NDArray[np.float64], downbeats: NDArray[np.float64], heard: Heard
) -> float:
    """Probability that a band accents a downbeat of the score more than another of its beats.

    An accent is a change of harmony and a strike of the bass, as in `track_downbeats`; but nothing
    is tracked, so a band is not judged for a bar that is found half a bar late. The first beat has
    none before it that harmony could change from, and is left out.

    Args:
        beats: Of the score, in seconds.
        downbeats: Those of them that begin a bar.
        heard: The band.

    Returns:
        Score in [0, 1]; 0.5 is chance. NaN without two beats of either kind after the first.
    """
    first = np.isin(beats, downbeats)[1:]
    if first.sum() < 2 or (~first).sum() < 2:
        return float("nan")
    accent = _accent(heard, beats)[1:]
    return separation(accent[first], accent[~first])


def track_downbeats(heard: Heard, beats_per_bar: int, tempo_bpm: float) -> NDArray[np.float64]:
    """Find the first beats of bars: where harmony changes and the bass strikes most.

    Args:
        heard: The band.
        beats_per_bar: Beats between downbeats.
        tempo_bpm: Where the tempo is expected.

    Returns:
        Downbeats in seconds; empty without enough beats.
    """
    beats = track_beats(heard, tempo_bpm)
    if len(beats) < 2 * beats_per_bar:
        return np.zeros(0)
    accent = _accent(heard, beats)
    first = int(np.argmax([accent[k::beats_per_bar].mean() for k in range(beats_per_bar)]))
    return beats[first::beats_per_bar]


def tempo_stability(heard: Heard) -> float:
    """Share of eight-second windows whose tempo is within 4 % of the whole recording's.

    Args:
        heard: The band.

    Returns:
        Share in [0, 1]; 1 for a steady band. NaN for a recording that is silent or under 8 s.
    """
    rate = ANALYSIS_RATE / ONSET_HOP
    size, step = round(_WINDOW_SECONDS * rate), round(_STEP_SECONDS * rate)
    curve = heard.onset_strength.astype(np.float64)
    if len(curve) < size or not np.any(curve > 0):
        return float("nan")
    whole = _period(_autocorrelation(curve), 60 * rate / _FASTEST_BPM, 60 * rate / _SLOWEST_BPM)
    periods = [
        _period(_autocorrelation(curve[start : start + size]), whole / _SEARCHED, whole * _SEARCHED)
        for start in range(0, len(curve) - size + 1, step)
    ]
    return float(np.mean(np.abs(np.array(periods) / whole - 1) <= _TEMPO_TOLERANCE))


def _accent(heard: Heard, beats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Change of harmony and strike of the bass at each beat, each in standard deviations."""
    return _standardized(_harmonic_change(heard, beats)) + _standardized(_strikes(heard, beats))


def _harmonic_change(heard: Heard, beats: NDArray[np.float64]) -> NDArray[np.float64]:
    """One minus the cosine between the chroma of a beat and that of the beat before [beats].

    The first beat, which has none before it, counts as the mean of the others.
    """
    ends = np.append(beats[1:], 2 * beats[-1] - beats[-2])
    edges = np.append(beats, ends[-1]) * ANALYSIS_RATE / CHROMA_HOP
    frames = np.clip(np.round(edges).astype(int), 0, len(heard.chroma))
    means = [
        heard.chroma[a : max(b, a + 1)].mean(axis=0) if a < len(heard.chroma) else np.zeros(12)
        for a, b in pairwise(frames)
    ]
    units = [mean / (np.linalg.norm(mean) + 1e-9) for mean in means]
    changes = [1 - float(a @ b) for a, b in pairwise(units)]
    return np.array([np.mean(changes), *changes])


def _strikes(heard: Heard, beats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Onset strength below 300 Hz near each beat."""
    frames = np.round(beats * ANALYSIS_RATE / ONSET_HOP).astype(int)
    curve = heard.bass_strength
    near = np.stack([np.clip(frames + d, 0, len(curve) - 1) for d in range(-3, 7)])
    return np.asarray(curve[near].max(axis=0), dtype=np.float64)


def _standardized(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((values - values.mean()) / (values.std() + 1e-9))


def _autocorrelation(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = curve - curve.mean()
    size = 1 << (2 * len(centred) - 1).bit_length()
    product: NDArray[np.float64] = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2)
    return product[: len(centred)] / np.arange(len(centred), 0, -1)


def _period(correlation: NDArray[np.float64], shortest: float, longest: float) -> float:
    """Lag of the highest peak between two lags, refined by a parabola; a quarter of a lag exact."""
    low, high = int(np.ceil(shortest)), min(int(longest), len(correlation) - 2)
    lag = low + int(np.argmax(correlation[low : high + 1]))
    before, here, after = correlation[lag - 1 : lag + 2]
    bend = before - 2 * here + after
    return lag + (0.5 * (before - after) / bend if bend < 0 else 0.0)


def tempo_of(beats: Array | NDArray[np.float64]) -> float:
    """Median tempo of beats in beats a minute; 120 with under two."""
    return 60 / float(np.median(np.diff(beats))) if len(beats) > 1 else 120.0
