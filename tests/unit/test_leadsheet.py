import pytest

from banso.errors import DataError
from banso.leadsheet import ChordSpan, LeadSheet

SHEET = LeadSheet(
    beats=(0.5, 1.0, 1.5, 2.0),
    downbeats=(0.5,),
    chords=(ChordSpan(0.0, 1.0, "C:maj"), ChordSpan(1.0, 2.5, "A:min7/5")),
    key="C:maj",
)


def test_transposing_moves_chords_and_key_but_no_time():
    moved = SHEET.transposed(3)
    assert [span.label for span in moved.chords] == ["Eb:maj", "C:min7/5"]
    assert moved.key == "Eb:maj"
    assert moved.beats == SHEET.beats
    assert [span.end_seconds for span in moved.chords] == [1.0, 2.5]
    assert moved.transposed(-3) == SHEET


def test_everything_may_be_unknown():
    assert LeadSheet().transposed(2) == LeadSheet()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"beats": (1.0, 1.0)}, "increase"),
        ({"beats": (2.0, 1.0)}, "increase"),
        ({"beats": (1.0, 2.0), "downbeats": (1.5,)}, "downbeat"),
        ({"chords": (ChordSpan(1.0, 1.0, "C"),)}, "ends"),
        ({"chords": (ChordSpan(0.0, 2.0, "C"), ChordSpan(1.0, 3.0, "G"))}, "overlap"),
        ({"chords": (ChordSpan(0.0, 2.0, "Q"),)}, "chord"),
    ],
)
def test_a_sheet_that_cannot_be_played_is_a_clear_error(values, words):
    with pytest.raises(DataError, match=words):
        LeadSheet(**values)
