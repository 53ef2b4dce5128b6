from itertools import pairwise

import numpy as np
import pytest

from band_songs import tiny_song
from banso.chords import parse_chord
from banso.data.arranger import arrange, choose_style
from banso.data.styles import PARTS, STYLES
from banso.data.voicing import bass_pitch, lead_voices
from banso.errors import DataError

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("style", STYLES)
def test_harmony_plays_the_chord_and_bass_its_root(style: str):
    song = tiny_song(beats_per_bar=STYLES[style].meters[0])
    song = song.excerpt(0, song.duration_seconds)
    # Without a score's piano the harmony is written by the arranger.
    object.__setattr__(song, "piano", ())
    band = arrange(song, style, np.random.default_rng(3))
    harmony = [t for t in band.tracks if t.part == "harmony"]
    bass = [t for t in band.tracks if t.part == "bass"]
    for span in song.lead_sheet.chords:
        chord = parse_chord(span.label)

        def pitches(tracks, span=span):
            return {
                n.pitch % 12
                for t in tracks
                for n in t.notes
                if span.start_seconds + 0.06 < (n.start_seconds + n.end_seconds) / 2
                and n.end_seconds < span.end_seconds + 0.06
                and n.start_seconds > span.start_seconds - 0.06
            }

        assert pitches(harmony) <= set(chord.pitch_classes)
        assert len(pitches(harmony)) >= 2
        assert chord.root in pitches(bass)


@pytest.mark.parametrize("style", STYLES)
def test_notes_lie_within_the_song_and_the_parts_are_known(style: str):
    song = tiny_song()
    band = arrange(song, style, np.random.default_rng(0))
    for track in band.tracks:
        assert track.part in PARTS
        for note in track.notes:
            assert 0 <= note.start_seconds < note.end_seconds <= song.duration_seconds
            assert 1 <= note.velocity <= 127


def test_drums_are_on_the_beat():
    song = tiny_song()
    band = arrange(song, "pop-band", np.random.default_rng(0))
    starts = np.array([n.start_seconds for n in band.tracks[0].notes])
    sixteenths = starts / 0.125
    assert np.max(np.abs(sixteenths - np.round(sixteenths))) * 0.125 < 0.035


def test_same_seed_same_band_and_other_seed_another():
    song = tiny_song()
    first, again, other = (arrange(song, "funk", np.random.default_rng(s)) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_no_chord_silences_harmony_and_bass():
    song = tiny_song(4)
    sheet = song.lead_sheet
    silent = [type(s)(s.start_seconds, s.end_seconds, "N") for s in sheet.chords]
    object.__setattr__(song, "lead_sheet", type(sheet)(
        beats=sheet.beats, downbeats=sheet.downbeats, chords=tuple(silent)
    ))  # fmt: skip
    object.__setattr__(song, "piano", ())
    band = arrange(song, "rock", np.random.default_rng(0))
    assert {track.part for track in band.tracks} == {"drums"}


def test_style_fits_the_metre():
    rng = np.random.default_rng(0)
    assert "waltz" not in {choose_style(tiny_song(), rng) for _ in range(60)}
    assert "waltz" in {choose_style(tiny_song(beats_per_bar=3), rng) for _ in range(20)}
    with pytest.raises(DataError, match="unknown style"):
        arrange(tiny_song(), "polka", rng)


def test_voices_move_little():
    chords = [parse_chord(label) for label in ("C:maj", "F:maj", "G:maj", "C:maj", "A:min")]
    voicings = lead_voices(chords, 60, 3)
    for before, after in pairwise(voicings):
        assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= 5


def test_bass_marks():
    chord, upcoming = parse_chord("C:maj/3"), parse_chord("F:maj")
    assert bass_pitch(chord, "R", upcoming, 28) % 12 == 4
    assert bass_pitch(chord, "F", upcoming, 28) % 12 == 7
    assert bass_pitch(chord, "A", upcoming, 28) % 12 in (4, 6)
