"""Numbers that say whether an accompaniment fits: its harmony and its pulse.

Pure functions without weights. Scores lie in [0, 1] and grow with quality.
A score that cannot be measured (no usable chord, no beats in the reference) is NaN, so that a
table can leave it out instead of counting it as failure.

References:
    Mauch & Dixon 2010, "Approximate note transcription for the improved identification of
    difficult chords", ISMIR (chord templates); McVicar et al. 2014, IEEE TASLP 22(2) (chord
    symbol recall). Davies et al. 2009, QMUL C4DM-TR-09-06 (beat F-measure, ±70 ms).
    Albrecht & Shanahan 2013, Music Perception 31(1) (key profiles). MIREX audio key
    detection (weights).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import librosa
import mir_eval
import numpy as np
from numpy.typing import NDArray

from banso.chords import PITCH_CLASS_NAMES, parse_chord
from banso.eval.beat_tracking import track_beats
from banso.eval.hearing import ANALYSIS_RATE, ONSET_HOP, Array, Heard, hear
from banso.leadsheet import ChordSpan

BEAT_TOLERANCE_SECONDS = 0.07
SILENCE_DB = -50.0
_ONSET_WINDOW_SECONDS = 0.05

# Albrecht & Shanahan 2013: share of each scale degree, tonic first. Chosen over Krumhansl's and
# Temperley's on 12 rendered bands (key of band against key of score chords, MIREX-weighted: 1.00,
# 0.88, 0.75). Voice against band separates true from shuffled with AUC 0.955 on those 12, but 0.891
# on 21 songs that took no part in the choice: look at the AUC of your set before you use it.
_MAJOR_PROFILE = (
    0.238,
    0.006,
    0.111,
    0.006,
    0.137,
    0.094,
    0.016,
    0.214,
    0.009,
    0.080,
    0.008,
    0.081,
)
_MINOR_PROFILE = (
    0.220,
    0.006,
    0.104,
    0.123,
    0.019,
    0.103,
    0.012,
    0.214,
    0.062,
    0.022,
    0.061,
    0.052,
)


@dataclass(frozen=True, slots=True)
class ChordScores:
    """How well the harmony of a recording follows a score.

    Attributes:
        accuracy: Share of the time whose best major/minor triad is the score's.
        agreement: Mean cosine between heard chroma and the score chord's pitch classes.
    """

    accuracy: float
    agreement: float


def chord_accuracy(samples: Array, sample_rate: int, chords: Iterable[ChordSpan]) -> float:
    """Share of the time in which the triad heard is the score's, major/minor by its third.

    Args:
        samples: Accompaniment [channels, samples].
        sample_rate: In Hz.
        chords: The score's chords; those without a third (`N`, `X`, `sus4`, `5`) are left out.

    Returns:
        Score in [0, 1]; chance is about 1/24. NaN if the score has no usable chord.
    """
    return chord_scores(hear(samples, sample_rate), chords).accuracy


def chroma_agreement(samples: Array, sample_rate: int, chords: Iterable[ChordSpan]) -> float:
    """Mean cosine, weighted by duration, between chroma and the score chord's pitch classes.

    Args:
        samples: Accompaniment [channels, samples].
        sample_rate: In Hz.
        chords: The score's chords; those without notes are left out.

    Returns:
        Score in [0, 1]; a flat chroma gives 0.5 against a triad. NaN without a usable chord.
    """
    return chord_scores(hear(samples, sample_rate), chords).agreement


def chord_scores(heard: Heard, chords: Iterable[ChordSpan]) -> ChordScores:
    """Measure `chord_accuracy` and `chroma_agreement` on an analysed recording.

    Chroma is averaged over each span, the best of 24 binary major/minor templates is the chord
    heard. Spans that end after the recording count by the part inside it.

    Args:
        heard: The recording.
        chords: The score's chords.

    Returns:
        Both scores; each NaN without a usable chord.
    """
    templates = triad_templates()
    hits: list[tuple[float, float]] = []
    cosines: list[tuple[float, float]] = []
    for span in chords:
        chord = parse_chord(span.label)
        mean = _span_chroma(heard, span)
        if chord.root is None or mean is None:
            continue
        seconds = min(span.end_seconds, heard.chroma_times[-1]) - span.start_seconds
        target = np.zeros(12)
        target[list(chord.pitch_classes)] = 1
        cosines.append((_cosine(mean, target), seconds))
        if 3 in chord.intervals or 4 in chord.intervals:
            best = int(np.argmax(templates @ mean)) if mean.any() else -1
            hits.append((float(best == chord.root + 12 * chord.is_minor), seconds))
    return ChordScores(_weighted_mean(hits), _weighted_mean(cosines))


def beat_f1(
    samples: Array, sample_rate: int, beats: Sequence[float] | NDArray[np.float64]
) -> float:
    """F-measure of tracked beats against the score's, ±70 ms.

    Args:
        samples: Accompaniment [channels, samples].
        sample_rate: In Hz.
        beats: Beats of the score in seconds, increasing.

    Returns:
        Score in [0, 1]; about 0.2 for unrelated music, NaN if the score has under two beats.
    """
    return heard_beat_f1(np.asarray(beats, dtype=np.float64), hear(samples, sample_rate))


def beat_agreement(a: Array, b: Array, sample_rate: int) -> float:
    """F-measure between the beats tracked in two recordings, ±70 ms.

    Args:
        a: Reference [channels, samples].
        b: Recording to compare, on the same time line.
        sample_rate: Of both, in Hz.

    Returns:
        Score in [0, 1]; NaN if under two beats are found in `a`.
    """
    reference = track_beats(hear(a, sample_rate))
    return heard_beat_f1(reference, hear(b, sample_rate))


def heard_beat_f1(reference: NDArray[np.float64], heard: Heard) -> float:
    """F-measure of the beats of an analysed recording against reference beats.

    The reference's tempo is the tracker's prior, so that a right pulse is not judged wrong for
    being counted at half or double speed.

    Args:
        reference: Beats in seconds, increasing.
        heard: The recording.

    Returns:
        Score in [0, 1]; NaN with under two reference beats.
    """
    if len(reference) < 2:
        return float("nan")
    tempo_bpm = 60 / float(np.median(np.diff(reference)))
    estimated = track_beats(heard, tempo_bpm)
    if len(estimated) == 0:
        return 0.0
    return float(mir_eval.beat.f_measure(reference, estimated, BEAT_TOLERANCE_SECONDS))


def chroma_cosine(a: Array, b: Array, sample_rate: int) -> float:
    """Mean cosine between the chroma frames of two recordings on one time line.

    Args:
        a: Reference [channels, samples]; frames below -50 dBFS in it are left out.
        b: Recording to compare.
        sample_rate: Of both, in Hz.

    Returns:
        Score in [0, 1]; NaN if the reference is silent.
    """
    return heard_chroma_cosine(hear(a, sample_rate), hear(b, sample_rate))


def heard_chroma_cosine(reference: Heard, other: Heard) -> float:
    """Measure `chroma_cosine` on two analysed recordings."""
    num_frames = min(len(reference.chroma), len(other.chroma))
    a, b = reference.chroma[:num_frames], other.chroma[:num_frames]
    # A frame with a level but no tone (a lone drum) has no chroma to keep.
    tonal = np.linalg.norm(a, axis=1) > 1e-2 * np.linalg.norm(a, axis=1).max(initial=1e-9)
    used = tonal & (reference.level_db[:num_frames] > SILENCE_DB)
    if not used.any():
        return float("nan")
    dots = np.sum(a[used] * b[used], axis=1)
    norms = np.linalg.norm(a[used], axis=1) * np.linalg.norm(b[used], axis=1)
    return float(np.mean(dots / (norms + 1e-9)))


def estimate_key(weights: NDArray[np.floating]) -> str:
    """Name the key whose profile correlates best with pitch-class weights.

    Args:
        weights: Total chroma or sung duration per pitch class [12], C first.

    Returns:
        MIREX key such as `C:maj` or `A:min`.

    References:
        Krumhansl 1990, ch. 4; profiles of Albrecht & Shanahan 2013.
    """
    profiles = np.stack(
        [np.roll(p, k) for p in (_MAJOR_PROFILE, _MINOR_PROFILE) for k in range(12)]
    )
    profiles = profiles - profiles.mean(axis=1, keepdims=True)
    profiles /= np.linalg.norm(profiles, axis=1, keepdims=True)
    best = int(np.argmax(profiles @ np.asarray(weights, dtype=np.float64)))
    return f"{PITCH_CLASS_NAMES[best % 12]}:{'min' if best >= 12 else 'maj'}"


def key_score(reference: str, estimated: str) -> float:
    """Compare two MIREX keys: 1 equal, .5 a fifth up, .3 relative, .2 parallel, else 0."""
    names = [
        key.replace(":maj", " major").replace(":min", " minor") for key in (reference, estimated)
    ]
    return float(mir_eval.key.weighted_score(*names))


def key_agreement(accompaniment: Heard, voice: NDArray[np.floating]) -> float:
    """MIREX-weighted score between the key of an accompaniment and that of the voice.

    Args:
        accompaniment: The analysed accompaniment.
        voice: Pitch-class weights of the voice [12], from its notes by `note_weights` or from its
            recording by `sung_weights`.

    Returns:
        Score in [0, 1]; 0 for a band without pitch, NaN for such a voice.
    """
    band = unit_frames(accompaniment.chroma).sum(axis=0)
    if not np.any(voice):
        return float("nan")
    if not band.any():
        return 0.0
    return key_score(estimate_key(voice), estimate_key(band))


def note_weights(notes: Iterable[Sequence[float]]) -> NDArray[np.float64]:
    """Total duration per pitch class [12] of notes (start seconds, end seconds, MIDI pitch)."""
    weights = np.zeros(12)
    for start, end, pitch in notes:
        weights[round(pitch) % 12] += end - start
    return weights


def sung_weights(voice: Heard) -> NDArray[np.float64]:
    """Number of frames per pitch class [12] of an analysed voice, by its strongest one.

    One class per frame, because the fifth and third among a voice's overtones are not sung.
    """
    strongest = unit_frames(voice.chroma).argmax(axis=1)
    voiced = np.any(unit_frames(voice.chroma), axis=1)
    return np.bincount(strongest[voiced], minlength=12).astype(np.float64)


def onset_sync(heard: Heard, onset_seconds: Sequence[float] | NDArray[np.float64]) -> float:
    """Probability that the band plays more of an onset at a sung onset than at a random time.

    The band's onset strength, its maximum within ±50 ms, at the sung onsets is compared with the
    same curve at all times: the area under the ROC curve, free of level and tempo.

    Args:
        heard: The analysed accompaniment.
        onset_seconds: Onsets of the voice.

    Returns:
        Score in [0, 1]; 0.5 is chance. NaN without an onset inside the recording.

    References:
        Fawcett 2006, "An introduction to ROC analysis" (AUC as a rank statistic).
    """
    reach = round(_ONSET_WINDOW_SECONDS * ANALYSIS_RATE / ONSET_HOP)
    padded = np.pad(heard.onset_strength, reach)
    curve = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=1)
    frames = np.round(np.asarray(onset_seconds) * ANALYSIS_RATE / ONSET_HOP).astype(int)
    frames = frames[(frames >= 0) & (frames < len(curve))]
    if len(frames) == 0:
        return float("nan")
    ordered = np.sort(curve)
    below = np.searchsorted(ordered, curve[frames], side="left")
    not_above = np.searchsorted(ordered, curve[frames], side="right")
    return float(np.mean((below + not_above) / 2) / len(curve))


def vocal_onsets(heard: Heard) -> NDArray[np.float64]:
    """Times in seconds of the onsets in an analysed recording, such as a voice."""
    times = librosa.onset.onset_detect(
        onset_envelope=heard.onset_strength, sr=ANALYSIS_RATE, hop_length=ONSET_HOP, units="time"
    )
    return np.asarray(times, dtype=np.float64)


def triad_templates() -> NDArray[np.float64]:
    """Return twelve major, then twelve minor triads as unit vectors [24, 12]."""
    rows = np.zeros((24, 12))
    for root in range(12):
        rows[root, [root, (root + 4) % 12, (root + 7) % 12]] = 1
        rows[12 + root, [root, (root + 3) % 12, (root + 7) % 12]] = 1
    return rows / 3**0.5


def _span_chroma(heard: Heard, span: ChordSpan) -> NDArray[np.float64] | None:
    times = heard.chroma_times
    inside = (times >= span.start_seconds) & (times < span.end_seconds)
    return heard.chroma[inside].mean(axis=0).astype(np.float64) if inside.any() else None


def unit_frames(chroma: Array) -> Array:
    """Scale frames to length 1 and drop faint ones, so that loud passages do not decide alone."""
    lengths = np.linalg.norm(chroma, axis=1, keepdims=True)
    return np.where(lengths > 0.05 * lengths.max(initial=1e-9), chroma / (lengths + 1e-9), 0.0)


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12))


def _weighted_mean(pairs: list[tuple[float, float]]) -> float:
    if not pairs:
        return float("nan")
    values, weights = np.array(pairs).T
    return float(np.average(values, weights=weights))
