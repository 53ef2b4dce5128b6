"""Is a generated band a near-copy of a training song? Nearest neighbour by fingerprint.

A fingerprint is, for 5.4 moments a second, how strong each pitch class sounds and how strongly
notes and noise set in, low and high. It is taken from codec parameters, which training items are
stored as, so nothing need be decoded. A passage of twelve seconds of the band is slid over every
training song in all twelve transpositions; the best correlation is the passage's similarity.

Songs in one style share chords and grooves without being copies. So the threshold is not chosen
but measured: bands of held-out songs, which cannot be copies, are compared in the same way, and a
near-copy is a band with a passage more similar to a training song than any of theirs.

References:
    Müller, Kurth & Clausen 2005, "Audio matching via chroma-based statistical features", ISMIR.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from banso.codec.parameters import LOWEST_MIDI, Parameters, expand
from banso.data.cache import load_cache
from banso.eval.hearing import Array

_FRAMES_PER_STEP = 4
_PASSAGE_STEPS = 64  # 11.9 s
_HOP_STEPS = 16
_NUM_CLASSES = 12
_LOW_NOISE_BANDS = 8


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The training song most like some passage of a band.

    Attributes:
        name: Of the training item.
        similarity: Correlation of the fingerprints of the two passages, at most 1.
        transposition: Semitones from the training song to the band, in [0, 12).
    """

    name: str
    similarity: float
    transposition: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NearCopies:
    """What the comparison of a set found.

    Attributes:
        threshold: Largest similarity of a held-out band to a training song.
        nearest: Of each generated band.
    """

    threshold: float
    nearest: tuple[Neighbour, ...]

    @property
    def rate(self) -> float:
        """Share of generated bands that are near-copies."""
        return float(np.mean([n.similarity > self.threshold for n in self.nearest]))


def fingerprint(parameters: NDArray[np.floating]) -> Array:
    """Fingerprint packed codec parameters.

    Args:
        parameters: [frames, NUM_PARAMETERS].

    Returns:
        [frames / 4, 16]: twelve pitch classes, then onsets of tones and of noise, low and high.
    """
    unpacked = Parameters.from_array(np.asarray(parameters, dtype=np.float32))
    level = unpacked.tone_level.max(axis=1)
    amplitude = expand(level)
    classes = (LOWEST_MIDI + np.arange(level.shape[1])) % _NUM_CLASSES
    chroma = np.stack([amplitude[:, classes == k].sum(axis=1) for k in range(_NUM_CLASSES)], axis=1)
    noise = unpacked.noise_level.max(axis=1)
    half = level.shape[1] // 2
    low = _LOW_NOISE_BANDS
    parts = (level[:, :half], level[:, half:], noise[:, :low], noise[:, low:])
    rises = [np.maximum(np.diff(p, axis=0, prepend=p[:1]), 0).mean(axis=1) for p in parts]
    steps = len(level) // _FRAMES_PER_STEP
    rows = np.concatenate([np.sqrt(chroma), np.stack(rises, axis=1)], axis=1)
    rows = rows[: steps * _FRAMES_PER_STEP]
    grouped: Array = rows.reshape(steps, _FRAMES_PER_STEP, -1).mean(axis=1)
    return grouped


def nearest_neighbour(band: Array, songs: Iterable[tuple[str, Array]]) -> Neighbour:
    """Find the training song most like any passage of a band.

    Args:
        band: Its fingerprint [steps, 16].
        songs: Names and fingerprints of training songs.

    Returns:
        The best match; similarity -1 if band or songs are shorter than a passage.
    """
    best = Neighbour("", -1.0, 0)
    passages = _passages(band, _HOP_STEPS)
    if len(passages) == 0:
        return best
    turned = [_unit(_transposed(passages, -shift)) for shift in range(_NUM_CLASSES)]
    for name, song in songs:
        if len(song) < _PASSAGE_STEPS:
            continue
        windows = _unit(_passages(song, 1))
        for shift, queries in enumerate(turned):
            similarity = float((queries @ windows.T).max())
            if similarity > best.similarity:
                best = Neighbour(name, similarity, shift)
    return best


def training_fingerprints(cache: Path) -> list[tuple[str, Array]]:
    """Fingerprint every training item of a cache made by `banso prepare cache`.

    Raises:
        DataError: If there is none.
    """
    return [(item.item_id, fingerprint(item.parameters)) for item in load_cache(cache, "train")]


def find_near_copies(
    made: Sequence[Array], held_out: Sequence[Array], songs: Sequence[tuple[str, Array]]
) -> NearCopies:
    """Compare generated and held-out bands with training songs.

    Args:
        made: Fingerprints of generated bands.
        held_out: Fingerprints of bands that cannot be copies, at least one.
        songs: Names and fingerprints of training songs.

    Returns:
        Threshold and nearest neighbours.
    """
    return NearCopies(
        threshold=max(nearest_neighbour(band, songs).similarity for band in held_out),
        nearest=tuple(nearest_neighbour(band, songs) for band in made),
    )


def _passages(rows: Array, hop: int) -> Array:
    """Overlapping passages [passages, steps, 16] of a fingerprint."""
    if len(rows) < _PASSAGE_STEPS:
        return np.zeros((0, _PASSAGE_STEPS, rows.shape[1]), np.float32)
    windows = sliding_window_view(rows, _PASSAGE_STEPS, axis=0)[::hop]
    return np.ascontiguousarray(windows.swapaxes(1, 2), dtype=np.float32)


def _transposed(passages: Array, semitones: int) -> Array:
    moved = passages.copy()
    moved[..., :_NUM_CLASSES] = np.roll(passages[..., :_NUM_CLASSES], semitones, axis=-1)
    return moved


def _unit(passages: Array) -> Array:
    """Flatten passages; centre and scale chroma and onsets apart, so that each half counts."""
    parts = []
    for part in (passages[..., :_NUM_CLASSES], passages[..., _NUM_CLASSES:]):
        # Less the mean over time: changes are what identifies a song.
        centred = part - part.mean(axis=1, keepdims=True)
        flat = centred.reshape(len(part), -1)
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        parts.append(flat / (np.sqrt(2) * (length + 1e-6)))
    return np.concatenate(parts, axis=1)
