"""The band by rule: right chords under an unmistakable melody, played by FluidSynth."""

import shutil

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.eval.baseline import accompany_by_rule, harmonise, pattern_band
from banso.eval.hearing import hear
from banso.eval.metrics import chord_scores
from banso.leadsheet import ChordSpan, LeadSheet

pytestmark = pytest.mark.lab

RATE = 44_100
BEATS = tuple(np.arange(0.0, 8.0, 0.5).tolist())
SHEET = LeadSheet(
    beats=BEATS,
    downbeats=BEATS[::4],
    chords=tuple(
        ChordSpan(2.0 * k, 2.0 * k + 2, name)
        for k, name in enumerate(("C:maj", "A:min", "F:maj", "G:7"))
    ),
)


def sing(pitches, note_seconds=0.5):
    """Broken chords, four notes each."""
    time = np.arange(round(len(pitches) * note_seconds * RATE)) / RATE
    note = np.minimum((time / note_seconds).astype(int), len(pitches) - 1)
    hertz = 440 * 2 ** ((np.array(pitches)[note] - 69) / 12)
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    since = time / note_seconds % 1
    envelope = np.minimum(1, 30 * since) * np.minimum(1, 10 * (1 - since))
    return (0.1 * envelope * sum(np.sin(h * phase) / h for h in range(1, 8))).astype(np.float32)


def test_chords_hold_the_sung_notes():
    voice = sing([60, 64, 67, 64] * 4 + [65, 69, 72, 69] * 4)
    sheet = harmonise(voice[None], RATE)
    assert sheet.chords[0].label == "C:maj"
    assert sheet.chords[-1].label == "F:maj"
    assert sheet.chords[-1].end_seconds == pytest.approx(16.0, abs=0.1)
    assert np.all(np.diff(sheet.beats) > 0)
    assert set(sheet.downbeats) <= set(sheet.beats)
    assert sheet.beats[-1] > 14


def test_silence_has_a_pulse_all_the_same():
    sheet = harmonise(np.zeros((1, 4 * RATE), np.float32), RATE)
    assert len(sheet.beats) >= 4


def test_the_pattern_follows_beats_and_bars():
    drums, bass, piano = pattern_band(SHEET, 8.0).tracks
    kicks = [note.start_seconds for note in drums.notes if note.pitch == 36]
    assert kicks == [beat for i, beat in enumerate(BEATS) if i % 2 == 0]
    assert [note.pitch % 12 for note in bass.notes] == [0, 0, 9, 9, 5, 5, 7, 7]
    first = {note.pitch % 12 for note in piano.notes if note.start_seconds < 0.4}
    assert first == {0, 4, 7}
    assert max(note.end_seconds for note in piano.notes) <= 8.0


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="needs fluidsynth")
def test_the_band_is_heard_in_its_chords_and_is_the_same_each_time():
    voice = sing([60, 64, 67, 64] * 4 + [65, 69, 72, 69] * 4)
    band = accompany_by_rule(voice[None], RATE)
    assert band.shape == (2, len(voice))
    chords = harmonise(voice[None], RATE).chords
    assert chord_scores(hear(band, RATE), chords).accuracy > 0.9
    np.testing.assert_array_equal(band, accompany_by_rule(voice[None], RATE))
