from dataclasses import replace

import numpy as np
import pytest

from band_songs import tiny_song
from banso.data import form
from banso.data.arranger import arrange
from banso.data.passages import with_interlude, with_intro

pytestmark = pytest.mark.lab


def test_bands_build_up_before_louder_phrases_and_let_go_before_softer_ones():
    song = tiny_song(12)
    levels = [0.2] * 5 + [0.9] * 4 + [0.3] * 4
    steps = form.steps(song, levels)
    by_bar = {bar: [s.energy for s in steps if s.bar == bar] for bar in (3, 4, 5, 8, 9)}
    assert set(by_bar[3]) == {0.2}
    assert by_bar[4][0] == 0.2
    assert np.all(np.diff(by_bar[4]) > 0)
    assert by_bar[4][-1] > 0.7
    assert np.all(np.diff(by_bar[8]) < 0)
    assert by_bar[8][-1] > 0.55
    assert set(by_bar[9]) == {0.3}


def test_breaks_silence_drums_and_bass_before_a_rise():
    levels = [0.2] * 5 + [0.9] * 8
    found = [form.breaks(levels, np.random.default_rng(s)) for s in range(60)]
    assert {frozenset(), frozenset({4})} == set(found)
    song = tiny_song(12)
    held = [s for s in form.steps(song, levels, frozenset({4})) if s.is_break]
    assert {s.bar for s in held} == {4}
    assert min(s.place for s in held) == 8


def test_intro_is_played_by_the_band_alone():
    song = tiny_song(16)
    for seed in range(4):
        longer = with_intro(song, np.random.default_rng(seed))
        added = longer.duration_seconds - song.duration_seconds
        assert added in (4.0, 8.0)
        assert longer.melody[0].start_seconds == pytest.approx(added)
        assert len(longer.melody) == len(song.melody)
        assert np.allclose(np.diff(longer.lead_sheet.beats), 0.5)
        assert np.allclose(np.diff(longer.lead_sheet.downbeats), 2.0)
        starts = [s.start_seconds for s in longer.lead_sheet.chords]
        assert np.allclose(np.diff(starts), 2.0)
        band = arrange(replace(longer, piano=()), "pop-band", np.random.default_rng(0))
        for part in ("drums", "bass", "harmony"):
            notes = [n for t in band.tracks if t.part == part for n in t.notes]
            assert sum(n.start_seconds < added for n in notes) >= 2


def test_pickup_is_sung_into_the_intro():
    song = tiny_song(16).excerpt(1.5, 32.0)
    longer = with_intro(song, np.random.default_rng(0))
    down = longer.lead_sheet.downbeats[2] if len(longer.lead_sheet.downbeats) else 0
    first = longer.melody[0].start_seconds
    assert down <= first + 0.5 + 1e-6
    assert any(first + 0.5 == pytest.approx(d) for d in longer.lead_sheet.downbeats)


def test_interlude_repeats_the_phrase_before_it_without_the_voice():
    song = tiny_song(16)
    # The voice rests on the last beat of each bar, so phrases have borders.
    melody = tuple(n for n in song.melody if n.start_seconds % 2.0 < 1.4)
    longer = with_interlude(replace(song, melody=melody), np.random.default_rng(1))
    assert longer.duration_seconds == 40.0
    starts = np.array([n.start_seconds for n in longer.melody])
    gap = int(np.argmax(np.diff(starts)))
    assert starts[gap + 1] - starts[gap] == pytest.approx(9.0)
    assert len(longer.lead_sheet.beats) == 80
    assert len(longer.lead_sheet.chords) == 20
    assert with_interlude(song, np.random.default_rng(0)) is song
