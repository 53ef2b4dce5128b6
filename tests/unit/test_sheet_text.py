"""The text format: what people type, and what they are told when it is wrong."""

import pytest

from banso.chord_names import label_of, name_of
from banso.errors import DataError
from banso.leadsheet import ChordSpan, LeadSheet, Section
from banso.sheet_text import SheetError, read_sheet
from banso.sheet_writer import write_sheet

SONG = """\
# A comment
title: Evening  song
key: Am
meter: 3/4
tempo: 120
start: 1
pickup: 1

[Verse]
| ? | Am | F . G/B | % |
[Chorus one]
| (2/4) Dm7 | (3/4) N.C. | ? |
"""


def spans(text):
    chords = read_sheet(text).chords
    return [(span.start_seconds, span.end_seconds, span.label) for span in chords]


def test_reads_all_of_a_song():
    sheet = read_sheet(SONG)
    assert (sheet.title, sheet.key, sheet.beats_per_bar) == ("Evening song", "A:min", 3)
    assert sheet.beats[:3] == (1.0, 1.5, 2.0)
    assert len(sheet.beats) == 1 + 3 * 3 + 2 + 3 + 3
    assert sheet.downbeats == (1.5, 3.0, 4.5, 6.0, 7.0, 8.5)
    assert sheet.sections == (Section(1.0, "Verse"), Section(6.0, "Chorus one"))
    assert [(s.start_seconds, s.end_seconds, s.label) for s in sheet.chords] == [
        (1.5, 3.0, "A:min"),
        (3.0, 4.0, "F:maj"),
        (4.0, 4.5, "G:maj/3"),
        (4.5, 5.5, "F:maj"),
        (5.5, 6.0, "G:maj/3"),
        (6.0, 7.0, "D:min7"),
        (7.0, 8.5, "N"),
    ]


def test_half_bars_and_beats():
    assert spans("tempo: 60\n| C G | C . . E7 |") == [
        (0.0, 2.0, "C:maj"),
        (2.0, 4.0, "G:maj"),
        (4.0, 7.0, "C:maj"),
        (7.0, 8.0, "E:7"),
    ]


def test_taps_are_obeyed_and_carried_on():
    sheet = read_sheet("taps: 1 1.5 2.1\ntaps: 2.6\n| C | G |")
    assert sheet.beats == pytest.approx((1, 1.5, 2.1, 2.6, 3.1, 3.6, 4.1, 4.6))
    assert sheet.downbeats == pytest.approx((1, 3.1))


def test_chords_by_time_alone():
    assert spans("end: 9\n| C@0 Am@2.5 ?@4 | N.C.@8 |") == [
        (0.0, 2.5, "C:maj"),
        (2.5, 4.0, "A:min"),
        (8.0, 9.0, "N"),
    ]


def test_equal_neighbours_are_one_chord():
    assert spans("tempo: 60\n| C | C | % |") == [(0.0, 12.0, "C:maj")]


def test_writes_what_a_musician_would():
    sheet = LeadSheet(
        beats=tuple(0.5 * index for index in range(16)),
        downbeats=(0.0, 2.0, 4.0, 6.0),
        chords=(
            ChordSpan(0.0, 4.0, "C:maj"),
            ChordSpan(4.0, 5.0, "F:maj"),
            ChordSpan(5.0, 8.0, "G:7/3"),
        ),
        key="C:maj",
        sections=(Section(4.0, "Chorus"),),
    )
    assert write_sheet(sheet) == (
        "key: C\nmeter: 4/4\ntempo: 120.0\nstart: 0.0\n\n| C | % |\n\n[Chorus]\n| F G7/B | G7/B |\n"
    )


@pytest.mark.parametrize(
    ("text", "line", "column", "hint"),
    [
        ("tempo: 120\n| C | H7 |", 2, 7, "'H7' is no chord name"),
        ("tempo: fast\n| C |", 1, 8, "no number"),
        ("tempo: 2000\n| C |", 1, 8, "choose 5 to 1000"),
        ("tmepo: 120\n| C |", 1, 1, "did you mean 'tempo:'"),
        ("tempo: 120\ntempo: 90\n| C |", 2, 1, "stands twice"),
        ("tempo: 120\n| C F G |", 2, 3, "3 chords do not divide 4 beats"),
        ("tempo: 120\n| C | | G |", 2, 6, "a bar is empty"),
        ("tempo: 120\n| C | G", 2, 8, "ends with |"),
        ("tempo: 120\n| % |", 2, 3, "must stand before"),
        ("tempo: 120\nmeter: 4/5\n| C |", 2, 8, "is no meter"),
        ("tempo: 120\n| C |\nkey: C", 3, 1, "heads come first"),
        ("tempo: 120\nkey: H\n| C |", 2, 6, "is no key"),
        ("tempo: 120\n| (3/8) C |", 2, 3, "must keep the lower number"),
        ("tempo: 120\n| C |\n[Coda]", 3, 1, "has no bar after it"),
        ("tempo: 120\ntaps: 1 2\n| C |", 1, 8, "exclude each other"),
        ("taps: 2 1\n| C |", 1, 7, "must be times that increase"),
        ("taps: 1 2 3 4 5\n| C |", 1, 7, "bars for 4 beats only"),
        ("| C |", 1, 3, "needs its @seconds"),
        ("| C@1 G@0.5 |", 1, 7, "not after what stands before"),
        ("| C@1 |", 1, 1, "give 'end'"),
        ("pickup: 1\n| C@0 |", 1, 9, "needs a tempo"),
        ("tempo: 120\npickup: 1\n| (3/4) C | C |", 3, 3, "leave the meter out"),
    ],
)
def test_errors_say_where(text, line, column, hint):
    with pytest.raises(SheetError) as caught:
        read_sheet(text, "song.banso.txt")
    assert str(caught.value).startswith(f"song.banso.txt, line {line}, column {column}: ")
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "tempo: 120\npickup: 99999999999\n| C |",
        "tempo: 1e400\n| C |",
        "tempo: 120\nmeter: 9999/4\n" + "| C |\n" * 50,
        "tempo: nan\n| C |",
        "taps: " + "1" * 500,
        "x" * 3_000_000,
        "tempo: 120\n| C:maj(" + "9" * 5000 + ") |",
    ],
)
def test_absurd_sizes_are_refused(text):
    with pytest.raises(SheetError):
        read_sheet(text)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("C", "C:maj"),
        ("F#m7b5", "F#:hdim7"),
        ("Bbmaj7/D", "Bb:maj7/3"),
        ("Gsus", "G:sus4"),
        ("E-7", "E:min7"),
        ("N.C.", "N"),
        ("C:maj(9)", "C:maj(9)"),
    ],
)
def test_chord_names(name, label):
    assert label_of(name) == label
    assert label_of(name_of(label)) == label


@pytest.mark.parametrize("name", ["", "c", "Cmaj8", "C/x", "C:what", "C:maj(x)", "C:maj\n"])
def test_what_is_no_chord_name(name):
    with pytest.raises(DataError):
        label_of(name)
