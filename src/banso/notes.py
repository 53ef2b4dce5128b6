"""Sung notes from what was heard of a voice: when each begins and ends, and its pitch.

A Viterbi search finds the steadiest line through the pitch salience, onsets make changes cheaper;
then strong onsets cut repeated notes of one pitch apart, and each border moves to the onset next to
it, which is known four times as finely as the pitch.

References:
    Viterbi 1967. Mauch et al. 2015, "Computer-aided melody note transcription using the Tony
    software", TENOR (notes as a hidden Markov model over pitch and onset). Hysteresis of onsets as
    in Bello et al. 2005, IEEE TSAP 13(5).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from banso import features
from banso.leadsheet import SungNote

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

SHORTEST_SECONDS = 0.09
# Costs (nats) of taking up another pitch, and of falling silent or beginning to sing; and how much
# cheaper a change is at a strong onset. Chosen, like those below, on the 24 amateur takes of ssvd:
# F1 of onsets 0.84 within 50 ms, 0.92 within 100 ms.
_CHANGE_COST, _VOICE_COST, _ONSET_HELP = 10.0, 2.5, 5.0
# A steady pitch is cut where an onset stands out so far from the quarter second around it, and
# the level falls before it by so much (of the feature's range, 50 dB).
_CUT_ONSET, _CUT_DIP = 0.3, 0.03
_REACH_FRAMES = 1
# Onset steps from the strongest flux's frame to the onset that annotators mark (same takes).
_ONSET_LAG = 1.9


@dataclass(frozen=True, slots=True)
class _Segment:
    """Frames [start, stop) of one pitch."""

    start: int
    stop: int
    pitch: int


def sung_notes(vocal_features: Array, frame_rate: float) -> tuple[SungNote, ...]:
    """Find the notes of a voice.

    Args:
        vocal_features: [frames, features] of `banso.features`.
        frame_rate: Frames per second.

    Returns:
        Notes in order, one at a time; pitches are in the voice's own tuning, fractions included.
    """
    salience = vocal_features[:, features.PITCH].astype(np.float64)
    onset = onset_strength(vocal_features)
    per_frame = onset.reshape(-1, features.ONSETS_PER_FRAME).max(axis=1)
    path = _pitch_path(salience, vocal_features[:, features.VOICING], per_frame)
    level = vocal_features[:, features.LEVEL].astype(np.float64)
    notes = []
    for segment in _segments(path, per_frame, level):
        start = _nearest_onset(segment.start, onset) / frame_rate
        rows = salience[segment.start : segment.stop]
        notes.append(SungNote(start, segment.stop / frame_rate, _fine_pitch(rows, segment.pitch)))
    return _apart(notes)


def onset_strength(vocal_features: Array) -> Floats:
    """Return how strongly something begins, at four times the frame rate [4 frames], about 0..1."""
    flux = vocal_features[:, features.ONSETS].astype(np.float64)
    half = features.ONSETS_PER_FRAME
    return np.asarray((flux[:, :half] + flux[:, half:]).reshape(-1) / 2)


def _pitch_path(salience: Floats, voicing: Array, onset: Floats) -> NDArray[np.int64]:
    """Most likely pitch of each frame [frames], -1 where nothing is sung."""
    sung = np.clip(voicing.astype(np.float64), 0.02, 0.98)
    # Salience is relative to the frame's best pitch; its share is what makes frames comparable.
    share = (salience + 0.01) / (salience + 0.01).sum(axis=1, keepdims=True)
    evidence = np.concatenate([np.log(share) + np.log(sung)[:, None], np.log(1 - sung)[:, None]], 1)
    evidence[:, -1] -= 1.5  # A rest competes with one pitch, not with all of them.
    num_frames, rest = len(evidence), evidence.shape[1] - 1
    back = np.zeros(evidence.shape, dtype=np.int64)
    score = evidence[0].copy()
    own = np.arange(rest + 1)
    for frame in range(1, num_frames):
        best = int(score[:rest].argmax())
        cost = _CHANGE_COST - _ONSET_HELP * min(1.0, onset[frame])
        options = np.stack([score, np.full(rest + 1, score[best] - cost)])
        options[1, rest] = score[best] - _VOICE_COST
        from_rest = score[rest] - _VOICE_COST + (_ONSET_HELP * min(1.0, onset[frame]) - 1.0)
        options = np.concatenate([options, np.full((1, rest + 1), from_rest)])
        chosen = options.argmax(axis=0)
        back[frame] = np.choose(chosen, [own, np.full_like(own, best), np.full_like(own, rest)])
        score = options.max(axis=0) + evidence[frame]
    path = np.zeros(num_frames, dtype=np.int64)
    path[-1] = score.argmax()
    for frame in range(num_frames - 1, 0, -1):
        path[frame - 1] = back[frame, path[frame]]
    return np.where(path == rest, -1, path)


def _segments(path: NDArray[np.int64], onset: Floats, level: Floats) -> list[_Segment]:
    """Runs of one pitch, cut where a note is struck again."""
    borders = np.flatnonzero(np.diff(path, prepend=-2, append=-2))
    found: list[_Segment] = []
    for start, stop in pairwise(borders.tolist()):
        if path[start] < 0:
            continue
        cuts = [start, *_restrikes(onset, level, start, stop), stop]
        found += [_Segment(a, b, int(path[start])) for a, b in pairwise(cuts)]
    return found


def _restrikes(onset: Floats, level: Floats, start: int, stop: int) -> list[int]:
    """Frames within a run at which the same pitch begins anew."""
    cuts: list[int] = []
    for frame in range(start + 2, stop - 2):
        around = onset[max(0, frame - 5) : frame + 6]
        is_peak = onset[frame] == onset[frame - 2 : frame + 3].max()
        dip = level[max(0, frame - 3) : frame + 1].min()
        fell = min(level[max(start, frame - 6) : frame].max(), level[frame : frame + 4].max()) - dip
        stands_out = onset[frame] - np.median(around) > _CUT_ONSET
        if is_peak and stands_out and fell > _CUT_DIP and frame - (cuts or [start])[-1] > 2:
            cuts.append(frame)
    return cuts


def _nearest_onset(frame: int, onset: Floats) -> float:
    """Position (in frames) of the strongest onset around the beginning of a frame."""
    size = features.ONSETS_PER_FRAME
    centre = frame * size
    low = max(0, centre - _REACH_FRAMES * size)
    near = onset[low : centre + _REACH_FRAMES * size + 1]
    if near.size == 0 or near.max() < 0.1:
        return float(frame)
    return (low + int(near.argmax()) + _ONSET_LAG) / size


def _fine_pitch(salience: Floats, pitch: int) -> float:
    """Mean pitch of frames [frames, pitches] around a pitch, as a MIDI number with fractions."""
    low, high = max(0, pitch - 1), min(salience.shape[1], pitch + 2)
    weights = salience[:, low:high].sum(axis=0)
    middle = float(weights @ np.arange(low, high) / max(weights.sum(), 1e-9))
    return features.LOWEST_MIDI + (middle if weights.sum() > 0 else float(pitch))


def _apart(notes: list[SungNote]) -> tuple[SungNote, ...]:
    """Keep notes of some length, each ended where the next begins."""
    kept: list[SungNote] = []
    for note in notes:
        if kept and kept[-1].end_seconds > note.start_seconds:
            last = kept.pop()
            if note.start_seconds - last.start_seconds >= SHORTEST_SECONDS:
                kept.append(SungNote(last.start_seconds, note.start_seconds, last.midi))
        if note.end_seconds - note.start_seconds >= SHORTEST_SECONDS:
            kept.append(note)
    return tuple(kept)
