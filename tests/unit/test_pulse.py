import time

import numpy as np
import pytest

from banso import features
from banso.onsets import SungEvents, beside_grid, find_events
from banso.pulse import find_pulse, pulse_at
from banso.pulse_candidates import find_candidates
from conftest import sing

RATE = features.SAMPLE_RATE / features.HOP_LENGTH
# One bar of a tune in beats: a long note on one, eighths towards the next bar, upbeats.
RHYTHM = np.array([0.0, 1.0, 1.5, 2.0, 3.0, 3.5, 3.75])
MELODY = np.array([67, 64, 65, 67, 69, 67, 65])


def tune(bpm, bars=24, start=0.9, jitter=0.015, seed=0, drift=0.0):
    """Events of a tune; `drift` slows it down by that share to its end."""
    rng = np.random.default_rng(seed)
    places = (np.arange(bars)[:, None] * 4 + RHYTHM).ravel()
    places = places * (1 + drift * places / places[-1] / 2)
    seconds = start + places * 60 / bpm + rng.normal(0, jitter, len(places))
    seconds = np.sort(seconds)
    ends = np.append(seconds[1:], seconds[-1] + 1) - 0.02
    pitch = np.tile(MELODY, bars).astype(float)
    return SungEvents(seconds, np.maximum(ends, seconds + 0.02), pitch, np.full(len(seconds), 0.5))


def off_grid(beats, events_bpm, start):
    """Distance of beats from the sixteenths of the tune, in sixteenths."""
    place = (beats - start) * events_bpm / 15
    return np.abs(place - np.rint(place))


@pytest.mark.parametrize("bpm", [58, 77, 96, 124])
def test_the_true_pulse_is_among_the_candidates(bpm):
    periods = find_candidates(tune(bpm)).period
    assert np.abs(np.log(periods * bpm / 60)).min() < 0.002


@pytest.mark.parametrize("bpm", [66, 77, 90])
def test_beats_keep_to_the_tune_and_bars_to_the_beats(bpm):
    events = tune(bpm)
    duration = events.seconds[-1] + 2
    pulse = find_pulse(events, duration)
    ratio = pulse.tempo_bpm / bpm
    assert min(abs(ratio / r - 1) for r in (0.5, 1, 2)) < 0.01
    assert np.median(off_grid(pulse.beats, bpm, 0.9)) < 0.15
    assert set(pulse.downbeats) <= set(pulse.beats)
    first = np.flatnonzero(np.isin(pulse.beats, pulse.downbeats))
    assert set(np.diff(first)) == {4}
    assert pulse.beats_per_bar == 4
    # To both ends of the recording, sung or not.
    assert pulse.beats[0] < 60 / pulse.tempo_bpm
    assert pulse.beats[-1] > duration - 60 / pulse.tempo_bpm
    assert 0 < pulse.confidence <= 1
    assert all(abs(np.log(other / pulse.tempo_bpm)) > 0.03 for other in pulse.alternatives_bpm)


# "Oh my darling, Clementine": in three, with an upbeat of two eighths.
WALTZ = [(65, 0.75), (65, 0.25), (65, 1), (60, 1), (69, 0.75), (69, 0.25), (69, 1), (65, 1),
         (65, 0.75), (69, 0.25), (72, 1.5), (72, 0.5), (70, 0.75), (69, 0.25), (67, 2),
         (67, 0.75), (69, 0.25), (70, 1), (70, 1), (69, 0.75), (67, 0.25), (69, 1), (65, 1),
         (65, 0.75), (69, 0.25), (67, 1.5), (60, 0.5), (64, 0.75), (67, 0.25), (65, 2)]  # fmt: skip


def waltz(bpm, rounds=4, start=0.5, seed=0):
    """Events of a waltz, and when its bars begin."""
    rng = np.random.default_rng(seed)
    pitch, length = np.array(WALTZ * rounds, float).T
    places = np.cumsum(length) - length
    seconds = start + places * 60 / bpm + rng.normal(0, 0.015, len(places))
    ends = np.append(seconds[1:], seconds[-1] + 1) - 0.03
    events = SungEvents(seconds, ends, pitch, np.full(len(pitch), 0.5))
    return events, start + np.arange(1, places[-1], 3) * 60 / bpm


@pytest.mark.parametrize("bpm", [88, 96, 104])
def test_a_waltz_is_counted_in_three(bpm):
    events, bars = waltz(bpm)
    pulse = find_pulse(events, events.seconds[-1] + 1)
    assert pulse.tempo_bpm == pytest.approx(bpm, rel=0.02)
    assert pulse.beats_per_bar == 3
    assert np.median(np.abs(bars[:, None] - pulse.downbeats).min(axis=1)) < 0.07
    given = pulse_at(events, events.seconds[-1] + 1, bpm)
    assert given.beats_per_bar == 3
    assert np.median(np.abs(bars[:, None] - given.downbeats).min(axis=1)) < 0.07


def test_what_comes_again_is_counted_by_beats():
    events = tune(90)
    found = find_candidates(events)
    right = np.abs(np.log(found.period * 90 / 60)).argmin()
    after_bar, same_after_bar = found.repetition[right, 6:8]  # the fourth lag: four beats
    assert after_bar > 0.9
    assert same_after_bar > 0.9
    assert found.repetition[right, 5] < same_after_bar  # three beats


def test_a_later_start_moves_the_beats_and_nothing_else():
    early, late = tune(80, start=1.0), tune(80, start=1.3)
    one, other = (find_pulse(events, events.seconds[-1] + 1) for events in (early, late))
    assert other.tempo_bpm == pytest.approx(one.tempo_bpm, rel=2e-3)
    turn = (other.downbeats[3] - one.downbeats[3] - 0.3) / (4 * 60 / one.tempo_bpm)
    assert abs(turn - round(turn)) < 0.02


def test_a_tune_that_slows_down_is_followed_through_all_pieces():
    events = tune(84, bars=100, drift=0.03)
    pulse = find_pulse(events, events.seconds[-1] + 1)
    steps = np.diff(pulse.beats)
    assert steps[-20:].mean() / steps[:20].mean() == pytest.approx(1.03, abs=0.015)
    assert steps.min() > 0.9 * np.median(steps)
    assert steps.max() < 1.1 * np.median(steps)
    # Every second note of the tune is on a beat or half-beat.
    halves = np.sort(np.concatenate([pulse.beats, pulse.beats[:-1] + steps / 2]))
    near = np.abs(events.seconds[::7, None] - halves).min(axis=1)
    assert np.median(near) < 0.05


def first_notes(count):
    some = tune(80)
    return SungEvents(some.seconds[:count], some.end_seconds[:count], some.pitch[:count],
                      some.strength[:count])  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_notes_have_no_pulse(count):
    assert find_pulse(first_notes(count), 60.0) is None


def test_few_notes_have_a_pulse_with_which_nothing_can_clash():
    pulse = find_pulse(first_notes(7), 60.0)
    assert pulse.fits_onsets
    assert np.diff(pulse.beats) == pytest.approx(60 / pulse.tempo_bpm)
    assert pulse.beats[-1] > 58


def test_a_band_may_play_on_a_pulse_that_the_onsets_keep_to():
    events = tune(90)
    duration = events.seconds[-1] + 1
    pulse = find_pulse(events, duration)
    assert pulse.fits_onsets
    # The off-beats are wrong as beats, but a band on them is in time with the voice.
    late = pulse.beats + 15 / pulse.tempo_bpm
    assert beside_grid(events, late) == (True, pytest.approx(0, abs=0.01))
    rng = np.random.default_rng(2)
    free = np.sort(rng.uniform(0, duration, len(events)))
    loose = SungEvents(free, free + 0.1, events.pitch, events.strength)
    assert beside_grid(loose, pulse.beats) == (False, 0)
    assert beside_grid(first_notes(0), pulse.beats) == (False, 0)
    assert beside_grid(events, pulse.beats[:1]) == (False, 0)


@pytest.mark.parametrize("off", [-0.04, 0.03, 0.06])
def test_beats_beside_the_onsets_are_put_right(off):
    events = tune(90, jitter=0.005)
    beats = np.arange(0.9, events.seconds[-1], 60 / 90) + off
    keeps, move = beside_grid(events, beats)
    assert keeps
    # As late as singers are.
    assert off + move == pytest.approx(-0.007, abs=0.002)
    given = pulse_at(events, events.seconds[-1] + 1, 90)
    places = (given.beats - 0.9 + 0.007) * 90 / 15
    assert np.abs(places - np.rint(places)).max() < 0.05


def test_notes_at_random_are_less_sure_than_a_tune():
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.uniform(0, 70, 160))
    noise = SungEvents(seconds, seconds + 0.2, rng.integers(55, 75, 160).astype(float),
                       rng.random(160))  # fmt: skip
    assert find_pulse(noise, 71.0).confidence < find_pulse(tune(77), 76.0).confidence


def test_time_grows_no_faster_than_the_song():
    def spent(bars):
        events = tune(80, bars=bars)
        start = time.process_time()
        find_pulse(events, events.seconds[-1] + 1)
        return time.process_time() - start

    spent(25)
    assert spent(400) < 40 * max(spent(100), 0.02)


def sung_notes():
    """Four pitches of 0.5 s with rests between them, and where they begin."""
    starts = np.array([0.5, 1.25, 2.0, 2.75])
    time_axis = np.arange(round(3.6 * 44_100)) / 44_100
    sound = np.zeros_like(time_axis)
    for start, midi in zip(starts, (57, 60, 64, 62), strict=True):
        since = time_axis - start
        shape = np.clip(since / 0.02, 0, 1) * np.clip((0.5 - since) / 0.05, 0, 1)
        hz = 440 * 2 ** ((midi - 69) / 12)
        tone = sum(np.sin(2 * np.pi * k * hz * time_axis) / k for k in range(1, 10))
        sound += 0.2 * tone * np.where(since >= 0, shape, 0)
    return sound.astype(np.float32), starts


def test_events_are_where_notes_begin():
    sound, starts = sung_notes()
    events = find_events(features.extract(sound), RATE)
    # In a recording without any noise, the ends of notes show too, but weakly.
    strong = np.argsort(events.strength)[-4:]
    strong.sort()
    np.testing.assert_allclose(events.seconds[strong], starts, atol=0.04)
    np.testing.assert_allclose(events.pitch[strong], [57, 60, 64, 62])


def test_a_slur_to_another_pitch_is_an_event_too():
    rows = np.zeros((60, features.NUM_FEATURES), np.float32)
    rows[10:50, features.VOICING] = 1
    rows[10:30, 60 - features.LOWEST_MIDI] = 1
    rows[30:50, 64 - features.LOWEST_MIDI] = 1
    events = find_events(rows, RATE)
    np.testing.assert_allclose(events.seconds * RATE, [10, 30], atol=0.6)
    np.testing.assert_allclose(events.pitch, [60, 64])


def test_silence_and_a_blink_have_no_events():
    assert len(find_events(np.zeros((100, features.NUM_FEATURES), np.float32), RATE)) == 0
    assert len(find_events(np.zeros((2, features.NUM_FEATURES), np.float32), RATE)) == 0
    assert len(find_events(features.extract(sing(2.0)[0]), RATE)) >= 1
