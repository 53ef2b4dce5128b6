"""The key of a voice that drifts: a tonic that may wander, followed through the sung notes.

Amateurs without a band go sharp or flat by a semitone and more within a minute, so that no fixed
twelve pitch classes fit all of a take; their intervals still tell the key. The tonic is therefore
hidden and continuous: from note to note it walks a little, and every note is a degree of the major
or minor scale above it, sung a little off.

References:
    Rabiner 1989, Proc. IEEE 77(2) (forward-backward algorithm). Albrecht and Shanahan 2013, Music
    Perception 31(1) (shares of the scale's degrees). Mauch, Frieler and Dixon 2014, JASA 136(1)
    (intonation drift in unaccompanied singing).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from banso.leadsheet import SungNote

Floats = NDArray[np.float64]

# Share of each scale degree, tonic first, major and minor, over many kinds of music.
DEGREE_SHARES = np.array(
    [
        [0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081],
        [0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052],
    ]
)
_PER_SEMITONE = 10
_NUM_PLACES = 12 * _PER_SEMITONE
# Semitones that a note is off its degree, and that the tonic moves from note to note: annotated
# notes of 24 amateur takes lie 0.3 around the path that is found, which moves by up to 1.5 in 40 s.
_OFF, _WALK = 0.28, 0.06
# Density of a note that is no degree at all, next to a peak of 0.24 * 1.4 for a sung tonic.
_STRAY = 0.004
# Notes of one melody are no independent draws: all of them count as so many.
_NOTES_WORTH = 15.0
_LEAST_SHARE = 1e-4


def drifting_key_scores(notes: Sequence[SungNote]) -> Floats:
    """Return the log-probability of every key [24], C to B major, then minor.

    A key counts by the share of the sung time in which the tonic is nearest to it.

    Args:
        notes: The melody, pitches with fractions of semitones; may be empty.
    """
    if not notes:
        return np.full(24, -np.log(24))
    seconds = np.array([note.end_seconds - note.start_seconds for note in notes])
    belief = _beliefs(_evidence(np.array([note.midi for note in notes]), seconds))
    share = np.tensordot(seconds / seconds.sum(), belief, axes=1)
    nearest = (np.arange(_NUM_PLACES) + _PER_SEMITONE // 2) // _PER_SEMITONE % 12
    keys = np.zeros((2, 12))
    for mode in (0, 1):
        np.add.at(keys[mode], nearest, share[mode])
    scores = np.log(keys.ravel() + _LEAST_SHARE)
    return np.asarray(scores - np.logaddexp.reduce(scores))


def _evidence(pitches: Floats, seconds: Floats) -> Floats:
    """Log-likelihood of each note given mode and tonic [notes, 2, places]."""
    above = pitches[:, None] - np.arange(_NUM_PLACES) / _PER_SEMITONE
    off = (above[:, :, None] - np.arange(12) + 6) % 12 - 6
    near = np.exp(-0.5 * np.square(off / _OFF)) / (_OFF * np.sqrt(2 * np.pi))
    density = np.einsum("npd,md->nmp", near, DEGREE_SHARES)
    worth = np.minimum(1.0, seconds / np.median(seconds))
    worth *= min(1.0, _NOTES_WORTH / worth.sum())
    return np.asarray(np.log(density + _STRAY) * worth[:, None, None])


def _beliefs(evidence: Floats) -> Floats:
    """Probability of mode and tonic at each note [notes, 2, places]; the mode never changes."""
    likely = np.exp(evidence - evidence.max(axis=(1, 2), keepdims=True))
    forward, backward = np.zeros_like(likely), np.ones_like(likely)
    forward[0] = likely[0] / likely[0].sum()
    for note in range(1, len(likely)):
        moved = _walked(forward[note - 1]) * likely[note]
        forward[note] = moved / moved.sum()
    for note in range(len(likely) - 2, -1, -1):
        moved = _walked(likely[note + 1] * backward[note + 1])
        backward[note] = moved / moved.sum()
    both = forward * backward
    return np.asarray(both / both.sum(axis=(1, 2), keepdims=True))


def _walked(belief: Floats) -> Floats:
    """Let the tonic walk one step round the circle of pitch classes [2, places]."""
    steps = (np.arange(_NUM_PLACES) / _PER_SEMITONE + 6) % 12 - 6
    kernel = np.exp(-0.5 * np.square(steps / _WALK)) + 1e-12
    spectrum = np.fft.rfft(kernel / kernel.sum())
    walked = np.fft.irfft(np.fft.rfft(belief, axis=1) * spectrum, _NUM_PLACES, axis=1)
    # Rounding leaves tiny negative probabilities.
    return np.asarray(np.maximum(walked, 1e-300))
