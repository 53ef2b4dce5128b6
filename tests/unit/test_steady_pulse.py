from itertools import pairwise

import numpy as np
import pytest

from banso import pulse
from banso.onsets import SungEvents
from banso.pulse_table import PulseTable
from banso.steady_pulse import coherence, salience, steady_readings

RHYTHM = np.array([0.0, 1.0, 1.5, 2.0, 3.0, 3.5, 3.75])
MELODY = np.array([67, 64, 65, 67, 69, 67, 65])
START = 0.9


def song(bpm=90.0, bars=96, silent=(), drift=0.0, jitter=0.015, jump=0.0, seed=0):
    """A tune of minutes, with bars in which nobody sings, slower or later towards its end."""
    random = np.random.default_rng(seed)
    places = (np.arange(bars)[:, None] * 4 + RHYTHM).ravel()
    sung = ~np.isin(places // 4, silent)
    beats = places * (1 + drift * places / places[-1] / 2)
    seconds = START + beats * 60 / bpm + jump * (places > places[-1] / 2)
    seconds = np.sort(seconds[sung] + random.normal(0, jitter, int(sung.sum())))
    pitch = np.tile(MELODY, bars)[sung].astype(float)
    return SungEvents(seconds, seconds + 0.2, pitch, np.full(len(seconds), 0.5))


def pieces_of(events, seconds=40.0):
    edges = np.arange(0, events.seconds[-1] + seconds, seconds)
    rows = [(events.seconds >= a) & (events.seconds < b) for a, b in pairwise(edges)]
    return [
        SungEvents(events.seconds[r], events.end_seconds[r], events.pitch[r], events.strength[r])
        for r in rows
        if r.any()
    ]


def test_onsets_in_one_phase_are_coherent():
    steady, drifting = song(), song(drift=0.02)
    assert coherence(pieces_of(steady), 60 / 90) > 0.97
    assert coherence(pieces_of(drifting), 60 / 90) < 0.8
    # A pulse that jumps by half a sixteenth in the middle is none.
    jumped = song(jump=60 / 90 / 8)
    assert coherence(pieces_of(jumped), 60 / 90) < 0.9
    assert coherence(pieces_of(steady), 60 / 90 * 1.003) < 0.9


def test_salience_is_that_of_the_strongest_pulses():
    events = song(jitter=0.0)
    exact, off = salience(events, np.array([60 / 90, 60 / 83]))
    assert exact > 1.0 > 0.3 > off
    assert salience(events, np.array([60 / 90]))[0] <= 2.5


@pytest.mark.parametrize("bpm", [62.0, 90.37, 128.02])
def test_a_steady_song_has_one_tempo_exactly(bpm):
    events = song(bpm)
    found = steady_readings(events, pieces_of(events), [60 / bpm * 1.004], PulseTable.shipped())
    assert found
    best = found[0]
    octave = best.period * bpm / 60
    # Over the whole song, an error of a thousandth of the tempo would be off by a third of a beat.
    assert min(abs(octave / r - 1) for r in (0.5, 1, 2)) < 2e-4
    assert [r.log_probability for r in found] == sorted(
        (r.log_probability for r in found), reverse=True
    )
    assert len(best.log_probabilities) == len(pieces_of(events))


def test_a_drifting_song_has_no_steady_reading():
    events = song(drift=0.03)
    periods = [60 / 90, 60 / 90 * 1.015]
    assert steady_readings(events, pieces_of(events), periods, PulseTable.shipped()) == []


def test_beats_go_on_where_nobody_sings():
    # Half a minute of rest, and a bar before it in which the singer is free.
    events = song(bpm=90.37, bars=110, silent=range(40, 56))
    found = pulse.find_pulse(events, float(events.seconds[-1] + 2))
    steps = np.diff(found.beats)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)
    place = (found.beats - START) * found.tempo_bpm / 60
    assert np.abs(place - np.rint(place)).max() < 0.15
    first = np.flatnonzero(np.isin(found.beats, found.downbeats))
    assert set(np.diff(first)) == {found.beats_per_bar}


def test_a_drifting_song_is_still_followed():
    events = song(bpm=84, bars=100, drift=0.04, jitter=0.01)
    found = pulse.find_pulse(events, float(events.seconds[-1] + 2))
    steps = np.diff(found.beats)
    assert steps[-8:].mean() > steps[:8].mean() * 1.015
