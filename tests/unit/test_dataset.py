import numpy as np
import pytest

torch = pytest.importorskip("torch")

from banso import conditioning as c  # noqa: E402
from banso import features  # noqa: E402
from banso.data.dataset import transpose_conditions, triads  # noqa: E402
from banso.leadsheet import ChordSpan, LeadSheet  # noqa: E402

pytestmark = pytest.mark.lab

RATE = 44_100 / 2048
BEATS = tuple(0.37 + 0.55 * k for k in range(40))
LABELS = ("C:maj", "A:min", "F:maj7", "G:7", "A:min7", "E:min/3")
SHEET = LeadSheet(
    beats=BEATS,
    downbeats=BEATS[::4],
    chords=tuple(ChordSpan(3.0 * k, 3.0 * k + 3, label) for k, label in enumerate(LABELS)),
)
FRAMES = 480


def sung():
    """Conditions [480, features] of a song whose voice holds E4 and its chroma."""
    heard = np.zeros((FRAMES, features.NUM_FEATURES), np.float32)
    heard[:, 64 - features.LOWEST_MIDI] = 1
    heard[:, features.CHROMA.start + 4] = 1
    return c.assemble(heard, RATE, lead_sheet=SHEET)[:, : c.KNOWN.start]


def test_chords_become_the_triad_they_hold():
    states = triads(sung()[:, c.CHORDS])
    middles = [states[round((3 * k + 1.5) * RATE)] for k in range(len(LABELS))]
    assert middles == [0, 12 + 9, 5, 7, 12 + 9, 12 + 4]
    assert states[-1] == 24


@pytest.mark.parametrize("semitones", [-5, 1, 7])
def test_transposing_moves_voice_and_chords_together(semitones):
    rows = sung()
    moved = transpose_conditions(rows, semitones)
    chroma = moved[:, c.VOCAL.start + 1 :][:, features.CHROMA].argmax(axis=1)
    assert set(chroma.tolist()) == {(4 + semitones) % 12}
    before, after = triads(rows[:, c.CHORDS]), triads(moved[:, c.CHORDS])
    roots = before // 12 * 12 + (before % 12 + semitones) % 12
    np.testing.assert_array_equal(after, np.where(before == 24, 24, roots))


def test_transposing_there_and_back_keeps_the_chords():
    rows = sung()
    again = transpose_conditions(transpose_conditions(rows, 5), -5)
    np.testing.assert_array_equal(again[:, c.CHORDS], rows[:, c.CHORDS])
