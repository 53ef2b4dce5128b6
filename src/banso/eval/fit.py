"""Does a band fit a voice? Scores that need neither score nor true accompaniment, and retrieval.

References:
    Simon, Morris & Basu 2008, "MySong: automatic accompaniment generation for vocal melodies", CHI
    (chords judged by the share of melody notes in them). McFee & Lanckriet 2010, "Metric learning
    to rank", ICML (retrieval as evaluation).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso.eval.hearing import ANALYSIS_RATE, CHROMA_HOP, Array, Heard
from banso.eval.metrics import onset_sync, triad_templates
from banso.eval.sung import FRAME_RATE, Sung

_SMOOTHED_SECONDS = 1.0  # about half a bar: longer than a passing note, shorter than most chords


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a band fits a voice.

    Attributes:
        in_chord: Share of the sung time whose pitch is in the triad that the band plays.
        consonance: Mean cosine between the sung pitch and the band's chroma.
        sync: Chance that the band has more of an onset where a note begins than elsewhere.
    """

    in_chord: float
    consonance: float
    sync: float


def measure_fit(voice: Sung, band: Heard) -> Fit:
    """Measure a band against a voice over the time that both have.

    Args:
        voice: What is sung.
        band: What is played.

    Returns:
        Three scores in [0, 1]; NaN if nothing is sung meanwhile. Silence fits by chance at best.
    """
    chroma = _smoothed(band.chroma)
    frames = _sung_frames(voice, len(chroma))
    if len(frames) == 0:
        return Fit(*[float("nan")] * 3)
    pitch = voice.pitch[np.flatnonzero(voice.pitch >= 0)[: len(frames)]] % 12
    rows = chroma[frames]
    triads = (triad_templates() > 0)[np.argmax(rows @ triad_templates().T, axis=1)]
    played = np.any(rows > 0, axis=1)
    sung = np.arange(len(frames))
    return Fit(
        float(np.mean(triads[sung, pitch] & played)),
        float(np.mean(rows[sung, pitch])),
        onset_sync(band, voice.onset_seconds),
    )


def rank(own: Fit, others: Sequence[Fit]) -> float:
    """Where a voice's own band ranks among others, by how well each fits.

    Each score is standardised over all candidates, and their mean decides.

    Args:
        own: Fit of the voice's own accompaniment.
        others: Fits of other songs' accompaniments to the same voice, at least one.

    Returns:
        Rank, 1 for the best; ties share the mean rank. NaN if nothing is sung.
    """
    table = np.array([(fit.in_chord, fit.consonance, fit.sync) for fit in (own, *others)])
    if np.isnan(table[0]).any():
        return float("nan")
    # A band too short to be compared fits worst.
    usable = table[~np.isnan(table).any(axis=1)]
    scores = (table - usable.mean(axis=0)) / (usable.std(axis=0) + 1e-9)
    mean = np.nan_to_num(scores.mean(axis=1), nan=-np.inf)
    return float(1 + np.sum(mean[1:] > mean[0]) + 0.5 * np.sum(mean[1:] == mean[0]))


def _sung_frames(voice: Sung, num_frames: int) -> NDArray[np.int64]:
    """Chroma frames at which something is sung."""
    seconds = (np.flatnonzero(voice.pitch >= 0) + 0.5) / FRAME_RATE
    frames = np.round(seconds * ANALYSIS_RATE / CHROMA_HOP).astype(np.int64)
    return frames[frames < num_frames]


def _smoothed(chroma: Array) -> NDArray[np.float64]:
    """Mean over a second around each frame, of unit length; zero where nothing is played."""
    reach = round(_SMOOTHED_SECONDS * ANALYSIS_RATE / CHROMA_HOP / 2)
    lengths = np.linalg.norm(chroma, axis=1, keepdims=True)
    faint = lengths < 0.05 * lengths.max(initial=1e-9)
    units = np.where(faint, 0.0, chroma / (lengths + 1e-9))
    total = np.concatenate([np.zeros((1, 12)), np.cumsum(units, axis=0)])
    index = np.arange(len(chroma))
    low, high = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(chroma))
    mean = (total[high] - total[low]) / (high - low)[:, None]
    return np.asarray(mean / (np.linalg.norm(mean, axis=1, keepdims=True) + 1e-9))
