import numpy as np
import pytest

from banso.planning import SURE_OF_BEATS, PlanAnswers, make_plan
from banso.pulse import Pulse

RATE = 44_100 / 2048


def pulse(beats, first=0, confidence=0.9):
    beats = np.asarray(beats)
    bpm = 60 / float(np.diff(beats).mean())
    return Pulse(beats, beats[first::4], confidence, bpm, ())


def chords(seconds, changes):
    """Answers that are right but unsure: changes are (seconds, state)."""
    frames = int(np.ceil(seconds * RATE / 4))
    logits = np.random.default_rng(1).standard_normal((frames, 25))
    starts = [start for start, _ in changes] + [seconds]
    for (start, state), stop in zip(changes, starts[1:], strict=True):
        logits[round(start * RATE / 4) : round(stop * RATE / 4), state] += 2
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return PlanAnswers(logits.astype(np.float32))


def uniform(seconds):
    frames = int(np.ceil(seconds * RATE / 4))
    return PlanAnswers(np.full((frames, 25), -np.log(25), dtype=np.float32))


def test_the_pulse_gives_beats_and_bars():
    own = pulse(np.arange(0.3, 39.5, 0.6), first=2)
    sheet = make_plan(uniform(40), RATE, 40.0, own)
    assert sheet.beats == tuple(own.beats.tolist())
    assert sheet.downbeats == tuple(own.downbeats.tolist())


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_chords_change_with_the_bars_and_cover_the_song(first):
    beats = np.arange(0.0, 31.9, 0.5)
    shift = 0.5 * first
    true = [(2.0 * bar + shift, state) for bar, state in enumerate((0, 21, 5, 7) * 4)]
    true[0] = (0.0, 0)
    sheet = make_plan(chords(32, true), RATE, 32.0, pulse(beats, first))
    assert [span.label for span in sheet.chords] == ["C:maj", "A:min", "F:maj", "G:maj"] * 4
    starts = np.array([span.start_seconds for span in sheet.chords])
    assert np.abs(starts - [start for start, _ in true]).max() < 0.1
    assert sheet.chords[-1].end_seconds == 32.0
    ends = [span.end_seconds for span in sheet.chords]
    assert starts[1:].tolist() == ends[:-1]


def test_unsure_beats_are_withheld_but_chords_are_not():
    true = [(2.0 * bar, state) for bar, state in enumerate((0, 21, 5, 7) * 4)]
    beats = np.arange(0.0, 31.9, 0.5)
    sheet = make_plan(chords(32, true), RATE, 32.0, pulse(beats, 0, SURE_OF_BEATS - 0.01))
    assert not sheet.beats
    assert not sheet.downbeats
    assert len(sheet.chords) == 16


@pytest.mark.parametrize("seconds", [0.04, 0.5, 1.0, 3.0, 20.0])
def test_without_a_pulse_there_are_chords_alone(seconds):
    sheet = make_plan(uniform(seconds), RATE, seconds, None)
    assert not sheet.beats
    assert sheet.chords[0].start_seconds == 0
    assert sheet.chords[-1].end_seconds == seconds


def test_a_plan_ends_with_the_song_though_the_answers_are_padded():
    beats = np.arange(0.2, 10.0, 0.5)
    sheet = make_plan(uniform(12), RATE, 10.1, pulse(beats))
    assert max(sheet.beats) < 10.1
    assert sheet.chords[-1].end_seconds == 10.1
