"""Plans: what a user fixed is in them exactly, the rest is estimated around it."""

import numpy as np
import pytest

from banso import features
from banso.errors import ConfigError
from banso.leadsheet import ChordSpan, LeadSheet
from banso.progression import lay_out
from banso.sheet_writer import write_sheet
from banso.song_plan import SongPlan, plan_song
from banso.wishes import Wishes

RATE = 44_100
FRAME_RATE = RATE / features.HOP_LENGTH
SECONDS = 16.0
ONE_CHORD = ChordSpan(0.0, 1.0, "C:maj")
SCALE = (60, 64, 67, 64, 65, 69, 65, 60, 67, 71, 67, 62, 60, 64, 60, 60)


@pytest.fixture(scope="module")
def heard():
    """A melody in C at 120 bpm, a quarter note each, on the beat."""
    time = np.arange(int(SECONDS * RATE)) / RATE
    note = np.minimum((time * 2).astype(int), 31)
    hz = 440 * 2 ** ((np.array(SCALE * 2)[note] - 69) / 12)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    envelope = np.minimum(1, 40 * (time * 2 % 1)) * np.minimum(1, 6 * (1 - time * 2 % 1))
    tone = sum(np.sin(k * phase) / k for k in range(1, 8)) * envelope
    return features.extract((0.2 * tone).astype(np.float32))


def plan(heard, **wishes) -> SongPlan:
    return plan_song(heard, FRAME_RATE, SECONDS, wishes=Wishes(**wishes))


def test_estimates_everything(heard):
    found = plan(heard)
    assert found.sheet.key == "C:maj"
    assert found.sheet.chords[0].start_seconds == 0
    assert found.sheet.chords[-1].end_seconds == SECONDS
    assert [round(note.midi) for note in found.sheet.notes[:8]] == list(SCALE[:8])
    assert found.tempo_bpm is not None
    octave = np.log2(found.tempo_bpm / 120)
    assert abs(octave - round(octave)) < 0.06
    assert 0 <= found.tempo_confidence <= 1
    ratios = [bpm / found.tempo_bpm for bpm in found.tempo_alternatives_bpm]
    assert any(abs(ratio - 2) < 0.1 or abs(ratio - 0.5) < 0.03 for ratio in ratios)


@pytest.mark.parametrize("bpm", [43.0, 97.3, 120.0, 211.0])
def test_a_given_tempo_is_obeyed_exactly(heard, bpm):
    found = plan(heard, bpm=bpm)
    assert np.diff(found.sheet.beats) == pytest.approx(60 / bpm, abs=2e-4)
    assert found.sheet.beats[0] < 60 / bpm
    assert found.sheet.beats[-1] > SECONDS - 60 / bpm - 1e-3
    assert found.tempo_bpm == bpm
    assert found.tempo_confidence == 1
    assert found.obeyed.beats == found.sheet.beats


def test_steady_beats_are_written_as_a_tempo(heard):
    assert "tempo: 97.3\n" in write_sheet(plan(heard, bpm=97.3).sheet)
    text = write_sheet(plan(heard).sheet)
    assert "tempo: " in text
    assert "taps" not in text


def test_a_given_tempo_finds_its_phase(heard):
    beats = np.array(plan(heard, bpm=120).sheet.beats)
    offset = (beats + 0.25) % 0.5 - 0.25
    assert np.abs(offset).max() < 0.07


@pytest.mark.parametrize(("text", "label"), [("A", "A:maj"), ("Fm", "F:min"), ("F#:min", "F#:min")])
def test_a_given_key_is_obeyed(heard, text, label):
    assert plan(heard, key=text).sheet.key == label


def test_a_given_progression_is_obeyed_exactly(heard):
    found = plan(heard, chords="Eb Cm | F#7 . . B/D#", bpm=120)
    downs = found.sheet.downbeats
    assert {span.label for span in found.sheet.chords} == {"Eb:maj", "C:min", "F#:7", "B:maj/3"}
    at = {span.start_seconds: span.label for span in found.sheet.chords}
    assert at[downs[0]] == "Eb:maj"
    assert at[downs[1]] == "F#:7"
    assert found.sheet.chords[0].start_seconds == 0
    assert found.sheet.chords[-1].end_seconds == SECONDS
    assert found.obeyed == found.sheet


def test_a_given_sheet_is_kept_and_its_gaps_are_filled(heard):
    beats = tuple(round(1.0 + 0.6 * index, 1) for index in range(12))
    given = LeadSheet(
        beats=beats,
        downbeats=beats[1::4],
        chords=(ChordSpan(1.6, 2.0, "Db:maj7"), ChordSpan(4.0, 6.4, "N")),
        key="Ab:maj",
        title="Mine",
    )
    found = plan(heard, lead_sheet=given).sheet
    assert set(given.beats) <= set(found.beats)
    assert set(given.downbeats) <= set(found.downbeats)
    assert found.beats[0] == pytest.approx(0.4)
    assert found.beats[-1] > SECONDS - 0.61
    assert (found.key, found.title) == ("Ab:maj", "Mine")
    assert set(given.chords) <= set(found.chords)
    assert found.chords[0].start_seconds == 0
    assert found.chords[-1].end_seconds == SECONDS


def test_a_complete_sheet_stays_as_it_is(heard):
    beats = tuple(0.5 * index for index in range(32))
    given = LeadSheet(
        beats=beats, downbeats=beats[::4], chords=(ChordSpan(0.0, SECONDS, "G:maj"),), key="G:maj"
    )
    found = plan(heard, lead_sheet=given).sheet
    assert (found.beats, found.downbeats) == (given.beats, given.downbeats)
    assert (found.chords, found.key) == (given.chords, given.key)


def test_uncertain_beats_are_told_but_not_obeyed():
    rows = np.random.default_rng(0).random((400, features.NUM_FEATURES)).astype(np.float32)
    found = plan_song(rows, FRAME_RATE, 400 / FRAME_RATE)
    if not found.sure_of_beats:
        assert found.obeyed.beats == ()
    assert found.obeyed.chords == found.sheet.chords


def test_silence_has_a_plan_too():
    rows = np.zeros((100, features.NUM_FEATURES), np.float32)
    found = plan_song(rows, FRAME_RATE, 100 / FRAME_RATE)
    assert found.tempo_bpm is None
    assert found.tempo_confidence == 0
    assert found.sheet.notes == ()
    assert found.sheet.chords[-1].end_seconds == pytest.approx(100 / FRAME_RATE)
    with pytest.raises(ConfigError, match="give the tempo"):
        plan_song(rows, FRAME_RATE, 4.0, wishes=Wishes(chords="C G"))


@pytest.mark.parametrize(
    ("wishes", "hint"),
    [
        ({"bpm": 1000.0}, "bpm is 1000"),
        ({"bpm": float("nan")}, "bpm is nan"),
        ({"key": "H"}, "key cannot be read"),
        ({"chords": "C H"}, "'H' is no chord name"),
        ({"chords": ""}, "0 bars"),
        ({"chords": ". C"}, "must begin with a chord"),
        ({"chords": "C@3"}, "chord names, bars"),
        ({"bpm": 90.0, "lead_sheet": LeadSheet(beats=(1.0, 2.0))}, "its own bpm"),
        ({"key": "C", "lead_sheet": LeadSheet(key="D:maj")}, "its own key"),
        (
            {"chords": "C", "lead_sheet": LeadSheet(chords=(ChordSpan(0, 1, "C"),))},
            "its own chords",
        ),
    ],
)
def test_wishes_that_make_no_sense(wishes, hint):
    with pytest.raises(ConfigError, match=hint):
        Wishes(**wishes)


def test_progressions_repeat_from_the_first_bar():
    beats = tuple(0.5 * index for index in range(20))
    sheet = LeadSheet(beats=beats, downbeats=beats[2::4])
    spans = lay_out("C G", sheet, 10.0)
    assert [(s.start_seconds, s.end_seconds, s.label) for s in spans] == [
        (0.0, 1.0, "G:maj"),
        (1.0, 3.0, "C:maj"),
        (3.0, 5.0, "G:maj"),
        (5.0, 7.0, "C:maj"),
        (7.0, 9.0, "G:maj"),
        (9.0, 10.0, "C:maj"),
    ]
