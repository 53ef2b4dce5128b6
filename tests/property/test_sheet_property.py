"""Lead sheets survive being written and read; whatever else is read gives one clear error."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banso.chord_names import key_label_of, key_name_of, label_of, name_of
from banso.errors import DataError
from banso.leadsheet import LeadSheet, SungNote
from banso.sheet_text import SheetError, read_sheet
from banso.sheet_writer import write_sheet
from sheets import keys, labels, sheets


def read_or_check_the_error(text):
    """Read a sheet; None, with an error that says where, if it is not one."""
    try:
        return read_sheet(text)
    except SheetError as error:
        lines = text.splitlines() or [""]
        place_exists = 1 <= error.line <= len(lines) and error.column >= 1
        names_place = f"line {error.line}, column {error.column}: " in str(error)
        if not (place_exists and names_place):
            raise
        return None


@given(sheets())
@settings(max_examples=300, deadline=None)
def test_text_round_trip_loses_nothing(sheet):
    assert read_sheet(write_sheet(sheet)) == sheet.joined()


@given(sheets())
@settings(max_examples=50, deadline=None)
def test_what_was_read_is_written_the_same(sheet):
    text = write_sheet(sheet)
    assert write_sheet(read_sheet(text)) == text


@given(labels)
def test_chord_names_lead_back(label):
    assert label_of(name_of(label)) == label


@given(keys.filter(bool))
def test_key_names_lead_back(key):
    assert key_label_of(key_name_of(key)) == key


@given(st.text("| %.?[]@()0123456789/:\nACFmaj7tempostartkeypickuptaps#-é\ufeff", max_size=80))
@settings(max_examples=500, deadline=None)
def test_any_text_is_read_or_refused_with_its_place(text):
    sheet = read_or_check_the_error(text)
    if sheet is not None:
        assert read_sheet(write_sheet(sheet)) == sheet.joined()


@given(sheets(), st.data())
@settings(max_examples=100, deadline=None)
def test_damaged_sheets_are_read_or_refused(sheet, data):
    text = write_sheet(sheet)
    place = data.draw(st.integers(0, len(text)))
    damaged = text[:place] + data.draw(st.text(max_size=3)) + text[place + 1 :]
    read_or_check_the_error(damaged)


def test_melody_is_left_to_midi():
    sheet = LeadSheet(notes=(SungNote(0.0, 1.0, 60.0),))
    assert read_sheet(write_sheet(sheet)) == replace(sheet, notes=())


def test_unknown_labels_are_no_chords():
    with pytest.raises(DataError, match="no chord name"):
        label_of("H7")
