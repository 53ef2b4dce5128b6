import numpy as np
import pytest

from banso.eval.bar_chords import bar_chords
from banso.pulse import Pulse

RATE = 44_100 / 2048 / 4


def pulse(beats, first=0):
    beats = np.asarray(beats)
    bpm = 60 / float(np.diff(beats).mean())
    return Pulse(beats, beats[first::4], 0.9, bpm, ())


def unsure(seconds, changes):
    """Likelihoods that are right but unsure: changes are (seconds, state)."""
    logits = np.random.default_rng(1).standard_normal((int(np.ceil(seconds * RATE)), 24))
    starts = [start for start, _ in changes] + [seconds]
    for (start, state), stop in zip(changes, starts[1:], strict=True):
        logits[round(start * RATE) : round(stop * RATE), state] += 3
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logits.astype(np.float32)


def uniform(seconds):
    return np.full((int(np.ceil(seconds * RATE)), 24), -np.log(24), dtype=np.float32)


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_chords_change_with_the_bars_and_cover_the_song(first):
    beats = np.arange(0.0, 31.9, 0.5)
    shift = 0.5 * first
    true = [(2.0 * bar + shift, state) for bar, state in enumerate((0, 21, 5, 7) * 4)]
    true[0] = (0.0, 0)
    chords = bar_chords(unsure(32, true), RATE, 32.0, pulse(beats, first))
    assert [span.label for span in chords] == ["C:maj", "A:min", "F:maj", "G:maj"] * 4
    starts = np.array([span.start_seconds for span in chords])
    assert np.abs(starts - [start for start, _ in true]).max() < 0.1
    assert chords[-1].end_seconds == 32.0
    ends = [span.end_seconds for span in chords]
    assert starts[1:].tolist() == ends[:-1]


@pytest.mark.parametrize("seconds", [0.04, 0.5, 1.0, 3.0, 20.0])
def test_a_song_without_a_pulse_is_covered_too(seconds):
    chords = bar_chords(uniform(seconds), RATE, seconds, None)
    assert chords[0].start_seconds == 0
    assert chords[-1].end_seconds == seconds


def test_chords_end_with_the_song_though_the_frames_are_padded():
    chords = bar_chords(uniform(12), RATE, 10.1, pulse(np.arange(0.2, 10.0, 0.5)))
    assert chords[-1].end_seconds == 10.1
