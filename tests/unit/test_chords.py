import pytest

from banso.chords import PITCH_CLASS_NAMES, parse_chord, pitch_class, transpose_label
from banso.errors import DataError


@pytest.mark.parametrize(
    ("label", "pitches", "bass"),
    [
        ("C", {0, 4, 7}, 0),
        ("C:maj", {0, 4, 7}, 0),
        ("A:min", {9, 0, 4}, 9),
        ("A:min7", {9, 0, 4, 7}, 9),
        ("G:7/3", {7, 11, 2, 5}, 11),
        ("Bb:sus4", {10, 3, 5}, 10),
        ("F#:hdim7", {6, 9, 0, 4}, 6),
        ("C:maj/b7", {0, 4, 7}, 10),
        ("C:maj(9)", {0, 4, 7, 2}, 0),
        ("C:maj7(*5)", {0, 4, 11}, 0),
        ("D:(1,5)", {2, 9}, 2),
        ("Cb:maj", {11, 3, 6}, 11),
        ("E##:5", {6, 1}, 6),
    ],
)
def test_pitch_classes_and_bass(label, pitches, bass):
    chord = parse_chord(label)
    assert set(chord.pitch_classes) == pitches
    assert chord.bass == bass
    assert chord.pitch_classes[0] == chord.root


@pytest.mark.parametrize("label", ["N", "X"])
def test_no_chord_has_no_notes(label):
    chord = parse_chord(label)
    assert chord.pitch_classes == ()
    assert chord.bass is None
    assert chord.transposed(3) == chord
    assert transpose_label(label, 3) == label


@pytest.mark.parametrize("label", ["", "H", "c:maj", "C:wild", "C/14", "C:maj(", "C maj"])
def test_what_is_no_chord_is_a_clear_error(label):
    with pytest.raises(DataError, match="chord"):
        parse_chord(label)


@pytest.mark.parametrize("label", ["C:maj", "A:min7/b3", "Gb:9", "E:sus4(9)"])
@pytest.mark.parametrize("semitones", [-13, -1, 0, 5, 12])
def test_transposing_the_name_transposes_the_notes(label, semitones):
    moved = parse_chord(label).transposed(semitones)
    assert parse_chord(transpose_label(label, semitones)) == moved


def test_note_names():
    assert [pitch_class(name) for name in PITCH_CLASS_NAMES] == list(range(12))
    assert pitch_class("B#") == 0
    assert pitch_class("Fbb") == 3
    with pytest.raises(DataError, match="no note name"):
        pitch_class("Q")


def test_minor():
    assert parse_chord("D:min").is_minor
    assert not parse_chord("D:7").is_minor
    assert not parse_chord("D:sus4").is_minor
