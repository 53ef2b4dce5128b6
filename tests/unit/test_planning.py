import time

import numpy as np
import pytest

from banso.planning import PlanAnswers, make_plan, track_beats

RATE = 44_100 / 2048


def activations(seconds, times, strength=0.8):
    """Probability of an event in each frame: a bump at each time over a little noise."""
    frames = int(np.ceil(seconds * RATE))
    found = 0.03 * np.random.default_rng(0).random(frames)
    where = np.floor(np.asarray(times) * RATE).astype(int)
    for offset, share in ((0, 1.0), (-1, 0.3), (1, 0.3)):
        near = where + offset
        near = near[(near >= 0) & (near < frames)]
        found[near] = np.maximum(found[near], share * strength)
    return found.astype(np.float32)


def f1(found, true, tolerance=0.07):
    hits = sum(np.abs(found - t).min() <= tolerance for t in true) if len(found) else 0
    return 2 * hits / (len(found) + len(true))


def chords(seconds, changes):
    """Answers that are right but unsure: changes are (seconds, state)."""
    frames = int(np.ceil(seconds * RATE / 4))
    logits = np.random.default_rng(1).standard_normal((frames, 25))
    starts = [start for start, _ in changes] + [seconds]
    for (start, state), stop in zip(changes, starts[1:], strict=True):
        logits[round(start * RATE / 4) : round(stop * RATE / 4), state] += 2
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logits.astype(np.float32)


def uniform(seconds):
    return np.full((int(np.ceil(seconds * RATE / 4)), 25), -np.log(25), dtype=np.float32)


@pytest.mark.parametrize("bpm", [68, 82, 97])
def test_beats_of_a_loose_singer_with_gaps_are_found(bpm):
    rng = np.random.default_rng(bpm)
    true = np.arange(0.4, 59.5, 60 / bpm)
    sung = (true + rng.uniform(-0.02, 0.02, len(true)))[rng.random(len(true)) > 0.3]
    found = track_beats(activations(60, sung), RATE)
    assert np.all(np.diff(found) > 0)
    assert f1(found, true) > 0.95


@pytest.mark.parametrize("bpm", [52, 128, 170])
def test_at_unusual_tempi_beats_are_right_up_to_doubling(bpm):
    true = np.arange(0.4, 59.5, 60 / bpm)
    found = track_beats(activations(60, true), RATE)
    halves = np.arange(0.4, 59.5, 30 / bpm)
    assert np.mean([np.abs(halves - beat).min() < 0.07 for beat in found]) > 0.95
    steady = 60 / np.median(np.diff(found)) / bpm
    assert min(abs(steady - ratio) for ratio in (0.5, 1, 2)) < 0.02


def test_beats_go_on_through_a_rest():
    true = np.arange(0.4, 59.5, 60 / 97)
    sung = true[(true < 20) | (true > 32)]
    assert f1(track_beats(activations(60, sung), RATE), true) > 0.95


@pytest.mark.parametrize(("meter", "first"), [(4, 0), (4, 2), (3, 1)])
def test_bars_follow_the_downbeats(meter, first):
    beats = np.arange(0.3, 39.5, 0.6)
    down = beats[first::meter]
    heard = down[np.random.default_rng(2).random(len(down)) > 0.3]
    answers = PlanAnswers(activations(40, beats), activations(40, heard, 0.6), uniform(40))
    sheet = make_plan(answers, RATE, 40.0)
    assert set(sheet.downbeats) <= set(sheet.beats)
    assert f1(np.array(sheet.downbeats), down) > 0.95


def test_chords_change_with_the_bars_and_cover_the_song():
    beats = np.arange(0.0, 31.9, 0.5)
    true = [(2.0 * bar, state) for bar, state in enumerate((0, 9 + 12, 5, 7) * 4)]
    answers = PlanAnswers(activations(32, beats), activations(32, beats[::4]), chords(32, true))
    sheet = make_plan(answers, RATE, 32.0)
    assert [span.label for span in sheet.chords] == ["C:maj", "A:min", "F:maj", "G:maj"] * 4
    starts = np.array([span.start_seconds for span in sheet.chords])
    assert np.abs(starts - [start for start, _ in true]).max() < 0.1
    assert sheet.chords[-1].end_seconds == 32.0
    ends = [span.end_seconds for span in sheet.chords]
    assert starts[1:].tolist() == ends[:-1]


@pytest.mark.parametrize("seconds", [0.04, 0.5, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("level", [0.0, 0.01, 1.0])
def test_nothing_to_hear_makes_no_crash_and_no_crowd(seconds, level):
    flat = np.full(int(np.ceil(seconds * RATE)), level, dtype=np.float32)
    sheet = make_plan(PlanAnswers(flat, flat, uniform(seconds)), RATE, seconds)
    assert all(0 <= beat < seconds for beat in sheet.beats)
    assert len(sheet.beats) <= seconds * 110 / 60
    assert sheet.chords[0].start_seconds == 0
    assert sheet.chords[-1].end_seconds == seconds


def test_a_plan_ends_with_the_song_though_the_answers_are_padded():
    beats = np.arange(0.2, 12.0, 0.5)
    answers = PlanAnswers(activations(12, beats), activations(12, beats[::4]), uniform(12))
    sheet = make_plan(answers, RATE, 10.1)
    assert max(sheet.beats) < 10.1
    assert sheet.chords[-1].end_seconds == 10.1


def test_time_grows_no_faster_than_the_song():
    def spent(seconds):
        beat = activations(seconds, np.arange(0.2, seconds - 1, 0.6))
        start = time.process_time()
        found = track_beats(beat, RATE)
        assert abs(len(found) - (seconds - 1) / 0.6) < 5
        return time.process_time() - start

    spent(30)
    assert spent(480) < 3 * 8 * max(spent(60), 0.01)
