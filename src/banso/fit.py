"""How well a band goes with a voice, fast: both are heard by the features that the model hears.

The evaluation measures the same things with better means (`banso.eval.fit`); this is what ranks
variations while a user waits.

References:
    Simon, Morris and Basu 2008, "MySong", CHI: chords judged by the melody notes in them.
    Fawcett 2006, "An introduction to ROC analysis": the area under the curve as a rank statistic.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso.audio import Samples, resample_blocks
from banso.delivery import OUTPUT_SAMPLE_RATE
from banso.features import CHROMA, ONSETS, ONSETS_PER_FRAME, FeatureStream
from banso.leadsheet import SungNote

_SMOOTHED_FRAMES = 11  # half a second to either side: about half a bar at once
_NEAR_ONSETS = 4  # 46 ms to either side


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a band goes with a voice; each in [0, 1], NaN if nothing is sung.

    Attributes:
        in_chord: Share of the sung time whose pitch is in the triad that the band plays.
        consonance: Mean cosine between the sung pitch and the band's chroma.
        sync: Chance that the band has more of an onset where a note begins than elsewhere.
    """

    in_chord: float
    consonance: float
    sync: float

    @property
    def score(self) -> float:
        """The mean of the three, by which variations are ranked; 0 if nothing is sung."""
        return float(np.nan_to_num((self.in_chord + self.consonance + self.sync) / 3))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rendition among several, by the seed that makes it again.

    Attributes:
        seed: Of its noise.
        fit: How well it goes with the voice.
    """

    seed: int
    fit: Fit


def hear_band(
    blocks: Iterable[Samples],
    num_samples: int,
    frames: tuple[int, int],
    num_frames: int,
    tuning_cents: float,
) -> Samples:
    """Measure the features of a band, on the frames of the voice's.

    Args:
        blocks: Its sound [2, samples] each at 44.1 kHz.
        num_samples: Their length together.
        frames: Sample rate and hop length of the frames.
        num_frames: How many frames to return.
        tuning_cents: How far above A4 = 440 Hz it plays.

    Returns:
        [frames, features] of `banso.features`.
    """
    stream = FeatureStream()
    for block in resample_blocks(blocks, OUTPUT_SAMPLE_RATE, frames[0], num_samples):
        stream.add(block.mean(axis=0, dtype=np.float32))
    return stream.finish(num_frames, tuning_cents)


def measure_fit(notes: Sequence[SungNote], band: Samples, frame_rate: float) -> Fit:
    """Compare what a voice sings with what a band plays.

    Args:
        notes: Of the voice; see `banso.notes.sung_notes`.
        band: Features [frames, features] of the band.
        frame_rate: Frames per second.
    """
    if not notes:
        return Fit(*[float("nan")] * 3)
    spans = [
        np.arange(round(n.start_seconds * frame_rate), round(n.end_seconds * frame_rate))
        for n in notes
    ]
    frames = np.minimum(np.concatenate(spans), len(band) - 1)
    sung = np.concatenate(
        [np.full(len(s), round(n.midi) % 12) for n, s in zip(notes, spans, strict=True)]
    )
    chroma = _smoothed(band[:, CHROMA])[frames]
    triads = _triads()
    heard: NDArray[np.bool_] = triads[(chroma @ triads.T).argmax(axis=1)]
    rows = np.arange(len(chroma))
    in_chord = heard[rows, sung] & np.any(chroma > 0, axis=1)
    onsets = np.array([n.start_seconds for n in notes]) * frame_rate * ONSETS_PER_FRAME
    return Fit(
        float(in_chord.mean()), float(chroma[rows, sung].mean()), _sync(onsets, band[:, ONSETS])
    )


def _smoothed(chroma: Samples) -> NDArray[np.float64]:
    """Mean over about a second around each frame, of unit length; zero where nothing sounds."""
    total = np.concatenate([np.zeros((1, 12)), np.cumsum(chroma, axis=0, dtype=np.float64)])
    index = np.arange(len(chroma))
    low = np.maximum(index - _SMOOTHED_FRAMES, 0)
    high = np.minimum(index + _SMOOTHED_FRAMES + 1, len(chroma))
    mean = total[high] - total[low]
    return np.asarray(mean / (np.linalg.norm(mean, axis=1, keepdims=True) + 1e-9))


def _triads() -> NDArray[np.bool_]:
    """Twelve major, then twelve minor triads [24, 12]."""
    rows = np.zeros((24, 12), dtype=bool)
    for root in range(12):
        rows[root, [root, (root + 4) % 12, (root + 7) % 12]] = True
        rows[12 + root, [root, (root + 3) % 12, (root + 7) % 12]] = True
    return rows


def _sync(notes: NDArray[np.float64], onsets: Samples) -> float:
    """Area under the ROC curve of the band's onset strength, at notes against all times.

    Args:
        notes: Where notes begin, in steps of the onset strength.
        onsets: [frames, 8], four steps of low bands and four of high ones a frame.
    """
    low, high = onsets[:, :ONSETS_PER_FRAME], onsets[:, ONSETS_PER_FRAME:]
    padded = np.pad((low + high).reshape(-1), _NEAR_ONSETS)
    curve = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEAR_ONSETS + 1).max(axis=1)
    at = curve[np.clip(np.round(notes).astype(np.int64), 0, len(curve) - 1)]
    ordered = np.sort(curve)
    below = np.searchsorted(ordered, at, side="left")
    not_above = np.searchsorted(ordered, at, side="right")
    return float(((below + not_above) / 2).mean() / len(curve))
