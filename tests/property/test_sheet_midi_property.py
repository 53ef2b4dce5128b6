"""MIDI and label files give back what was written; damaged ones give one clear error."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banso.errors import DataError
from banso.leadsheet import LeadSheet, SungNote
from banso.sheet_lab import read_beats, read_chords, write_beats, write_chords
from banso.sheet_midi import read_midi, write_midi
from sheets import sheets

EXAMPLE = write_midi(
    LeadSheet(
        beats=(0.5, 1.0, 1.5, 2.0, 2.5),
        downbeats=(1.0,),
        key="A:min",
        notes=(SungNote(0.5, 0.9, 60.25), SungNote(1.0, 1.5, 62.0)),
    )
)
melodies = st.lists(st.tuples(st.floats(0.05, 2), st.floats(0, 1), st.floats(20, 100)), max_size=8)


def melody(steps):
    notes, time = [], 0.0
    for length, pause, midi in steps:
        notes.append(SungNote(time, time + length, midi))
        time += length + pause
    return tuple(notes)


def precision(sheet):
    """A tenth of a millisecond, or half a tick if beats are very slow."""
    slowest = max((b - a for a, b in pairwise(sheet.beats)), default=0.0)
    return max(1e-4, slowest * sheet.beat_unit / 4 / 15_360 / 2 + 5e-5)


def times(sheet):
    """All times of a sheet, in one order."""
    chords = [t for s in sheet.chords for t in (s.start_seconds, s.end_seconds)]
    notes = [t for n in sheet.notes for t in (n.start_seconds, n.end_seconds)]
    sections = [s.start_seconds for s in sheet.sections]
    return [*sheet.beats, *sheet.downbeats, *chords, *notes, *sections]


@given(sheets(), melodies)
@settings(max_examples=200, deadline=None)
def test_midi_round_trip_keeps_all_and_times_to_a_tenth_of_a_millisecond(sheet, steps):
    sheet = replace(sheet, notes=melody(steps)).joined()
    back = read_midi(write_midi(sheet))
    assert (back.title, back.key, back.beat_unit) == (sheet.title, sheet.key, sheet.beat_unit)
    assert [s.label for s in back.chords] == [s.label for s in sheet.chords]
    assert [s.name for s in back.sections] == [s.name for s in sheet.sections]
    assert [n.midi for n in back.notes] == pytest.approx([n.midi for n in sheet.notes], abs=2e-4)
    assert times(back) == pytest.approx(times(sheet), abs=precision(sheet))


@given(sheets())
@settings(max_examples=50, deadline=None)
def test_times_do_not_drift_however_often_a_file_is_saved(sheet):
    once = back = read_midi(write_midi(sheet))
    for _ in range(4):
        back = read_midi(write_midi(back))
    assert [s.label for s in back.chords] == [s.label for s in once.chords]
    assert times(back) == pytest.approx(times(once), abs=2 * precision(sheet))


@given(st.integers(0, len(EXAMPLE) - 1), st.binary(max_size=6), st.integers(0, 6))
@settings(max_examples=500, deadline=None)
def test_damaged_midi_is_read_or_refused(place, patch, cut):
    damaged = EXAMPLE[:place] + patch + EXAMPLE[place + cut :]
    try:
        read_midi(damaged, "song.mid")
    except DataError as error:
        if "song.mid" not in str(error):
            raise


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_tracks_are_read_or_refused(body):
    head = b"MThd\0\0\0\x06\0\x01\0\x01\x01\xe0MTrk" + len(body).to_bytes(4)
    try:
        read_midi(head + body, "song.mid")
    except DataError as error:
        if "song.mid" not in str(error):
            raise


@given(sheets())
@settings(max_examples=100, deadline=None)
def test_label_files_lose_nothing(sheet):
    assert read_chords(write_chords(sheet)) == sheet.chords
    back = read_beats(write_beats(sheet))
    assert (back.beats, back.downbeats) == (sheet.beats, sheet.downbeats)


@given(st.text("0123456789. \t\nCN:maj-e#", max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_label_text_is_read_or_refused(text):
    for read in (read_chords, read_beats):
        try:
            read(text, "song.lab")
        except DataError as error:
            if "song.lab, line " not in str(error):
                raise
