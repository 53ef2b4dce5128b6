"""Name the chords and the key of written-out music that carries no chord symbols.

Notes are weighed by how long they sound in each beat, the lowest most; a Viterbi path over chord
templates pays for every change, less at the beginning of a bar.

References:
    Krumhansl 1990, "Cognitive Foundations of Musical Pitch" (key profiles).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from banso.chords import NO_CHORD, PITCH_CLASS_NAMES, parse_chord
from banso.data.song import Notes
from banso.leadsheet import ChordSpan

# Kinds of chord, and what each must gain over a triad to be heard.
_KINDS = {
    "maj": 0.0, "min": 0.0, "7": 0.04, "min7": 0.06, "maj7": 0.07, "dim": 0.05, "dim7": 0.06,
    "hdim7": 0.07, "aug": 0.1, "sus4": 0.09,
}  # fmt: skip
_CHANGE_COST, _BAR_CHANGE_COST = 0.4, 0.12
_NEIGHBOUR_SHARE = 0.6  # of the beats beside one within its bar, for chords broken over beats
_BASS_LEAP = 7  # semitones up, from which on the bass is still the note before
_BASS_SHARE = 0.3
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)

_Rows = NDArray[np.float64]


def estimate_chords(
    notes: Notes, beats: Sequence[float], downbeats: Sequence[float], end_seconds: float
) -> tuple[ChordSpan, ...]:
    """Name the chords of an accompaniment, beat by beat.

    Args:
        notes: Everything that sounds.
        beats: Strictly increasing times in seconds; at least one.
        downbeats: Those of them that begin a bar.
        end_seconds: End of the last beat.

    Returns:
        Spans from the first beat to the end, neighbours of the same name joined; `N` where nothing
        sounds.
    """
    edges = np.array((*beats, max(end_seconds, beats[-1] + 0.05)))
    chroma, lowest = _chroma(notes, edges)
    silent = chroma.sum(axis=1) < 1e-6
    bars = set(downbeats)
    begins_bar = np.array([beat in bars for beat in beats])
    labels, fits = _fits(*_within_bars(chroma, lowest, begins_bar))
    costs = np.where(begins_bar, _BAR_CHANGE_COST, _CHANGE_COST)
    path = _best_path(fits, costs)
    names = [NO_CHORD if quiet else labels[i] for quiet, i in zip(silent, path, strict=True)]
    spans: list[ChordSpan] = []
    for start, end, name in zip(edges[:-1], edges[1:], names, strict=True):
        if spans and spans[-1].label == name:
            start = spans.pop().start_seconds
        spans.append(ChordSpan(float(start), float(end), name))
    return tuple(spans)


def estimate_key(notes: Notes, fifths: int, mode: str = "") -> str:
    """Return the MIREX name of the key that a key signature stands for.

    Args:
        notes: Everything that sounds; decides between major and minor if `mode` does not.
        fifths: Sharps of the signature, or flats below 0.
        mode: `major`, `minor` or empty if it is not written.
    """
    major = 7 * fifths % 12
    minor = (major + 9) % 12
    if mode not in ("major", "minor"):
        weights = np.zeros(12)
        for note in notes:
            weights[note.pitch % 12] += note.end_seconds - note.start_seconds
        as_major = np.corrcoef(weights, np.roll(_MAJOR, major))[0, 1] if weights.any() else 1.0
        as_minor = np.corrcoef(weights, np.roll(_MINOR, minor))[0, 1] if weights.any() else 0.0
        mode = "major" if as_major >= as_minor else "minor"
    tonic = major if mode == "major" else minor
    return f"{PITCH_CLASS_NAMES[tonic]}:{'maj' if mode == 'major' else 'min'}"


def spans_between(
    changes: Sequence[tuple[float, str]], end_seconds: float
) -> tuple[ChordSpan, ...]:
    """Return spans of chords that last until the next begins; equal neighbours are joined."""
    spans: list[ChordSpan] = []
    times = [time for time, _ in changes] + [end_seconds]
    for (start, name), end in zip(changes, times[1:], strict=True):
        if end - start < 1e-3:
            continue
        if spans and spans[-1].label == name:
            start = spans.pop().start_seconds
        spans.append(ChordSpan(start, end, name))
    return tuple(spans)


def _chroma(notes: Notes, edges: _Rows) -> tuple[_Rows, NDArray[np.int64]]:
    """Seconds of each pitch class in each beat [beats, 12], and the lowest note, or 999."""
    count = len(edges) - 1
    chroma = np.zeros((count, 12))
    lowest = np.full(count, 999)
    for note in notes:
        first = max(0, int(np.searchsorted(edges, note.start_seconds + 0.02, side="right")) - 1)
        for beat in range(first, count):
            shared = min(note.end_seconds, edges[beat + 1]) - max(note.start_seconds, edges[beat])
            if shared <= 0.02:
                break
            chroma[beat, note.pitch % 12] += shared
            lowest[beat] = min(lowest[beat], note.pitch)
    return chroma, lowest


def _within_bars(
    chroma: _Rows, lowest: NDArray[np.int64], begins_bar: NDArray[np.bool_]
) -> tuple[_Rows, NDArray[np.int64]]:
    """Let beats hear their neighbours in the bar, and ring on a bass note that others follow."""
    heard = chroma.copy()
    bass = lowest.copy()
    for beat in range(1, len(chroma)):
        if begins_bar[beat]:
            continue
        heard[beat] += _NEIGHBOUR_SHARE * chroma[beat - 1]
        heard[beat - 1] += _NEIGHBOUR_SHARE * chroma[beat]
        if bass[beat] - bass[beat - 1] >= _BASS_LEAP:
            bass[beat] = bass[beat - 1]
    return heard, np.where(bass < 999, bass % 12, -1)


def _fits(chroma: _Rows, bass: NDArray[np.int64]) -> tuple[list[str], _Rows]:
    """How well each chord explains each beat [beats, chords]: cosine, plus the bass as its root."""
    labels, templates, handicaps, roots = [], [], [], []
    for kind, handicap in _KINDS.items():
        for root, name in enumerate(PITCH_CLASS_NAMES):
            chord = parse_chord(f"{name}:{kind}")
            template = np.zeros(12)
            template[list(chord.pitch_classes)] = 1.0
            labels.append(f"{name}:{kind}")
            templates.append(template / np.linalg.norm(template))
            handicaps.append(handicap)
            roots.append(root)
    level = np.linalg.norm(chroma, axis=1, keepdims=True)
    fits = chroma / np.maximum(level, 1e-9) @ np.array(templates).T
    fits += _BASS_SHARE * (bass[:, None] == np.array(roots)[None])
    return labels, fits - np.array(handicaps)


def _best_path(fits: _Rows, costs: _Rows) -> NDArray[np.int64]:
    """Viterbi path where every change costs the same within a beat."""
    score = fits[0]
    origins = []
    for fit, cost in zip(fits[1:], costs[1:], strict=True):
        best = int(score.argmax())
        stays = score >= score[best] - cost
        origins.append(np.where(stays, np.arange(len(score)), best))
        score = np.where(stays, score, score[best] - cost) + fit
    path = [int(score.argmax())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return np.array(path[::-1])
