"""Notes of a synthetic voice: where they were put, and how long and how high."""

from itertools import pairwise

import numpy as np
import pytest

from banso import features
from banso.notes import SHORTEST_SECONDS, sung_notes

RATE = 44_100
FRAME_RATE = RATE / features.HOP_LENGTH


def voice(notes, seconds):
    """Harmonic tones with soft edges: (start, end, midi) each."""
    time = np.arange(int(seconds * RATE)) / RATE
    sound = np.zeros(len(time))
    for start, end, midi in notes:
        hz = 440 * 2 ** ((midi - 69) / 12)
        envelope = np.clip(np.minimum((time - start) / 0.02, (end - time) / 0.04), 0, 1)
        sound += envelope * sum(np.sin(2 * np.pi * k * hz * time) / k for k in range(1, 8))
    noise = np.random.default_rng(0).standard_normal(len(time))
    return (0.2 * sound + 1e-4 * noise).astype(np.float32)


def found(notes, seconds):
    return sung_notes(features.extract(voice(notes, seconds)), FRAME_RATE)


def test_finds_every_note_of_a_melody():
    melody = [(0.5, 0.95, 60), (1.0, 1.45, 64), (1.5, 1.95, 62), (2.5, 3.4, 67), (3.5, 4.4, 55)]
    notes = found(melody, 5)
    assert [round(note.midi) for note in notes] == [midi for _, _, midi in melody]
    starts = [note.start_seconds for note in notes]
    assert starts == pytest.approx([start for start, _, _ in melody], abs=0.06)
    ends = [note.end_seconds for note in notes]
    assert ends == pytest.approx([end for _, end, _ in melody], abs=0.12)


def test_tells_repeated_notes_apart():
    melody = [(0.5 + 0.5 * index, 0.9 + 0.5 * index, 62) for index in range(6)]
    assert len(found(melody, 4)) == 6


def test_one_long_note_is_one_note():
    (note,) = found([(0.5, 3.5, 57)], 4)
    assert note.midi == pytest.approx(57, abs=0.3)


def test_silence_and_noise_have_no_melody():
    noise = np.random.default_rng(1).standard_normal(3 * RATE).astype(np.float32) * 0.1
    notes = sung_notes(features.extract(noise), FRAME_RATE)
    assert sum(n.end_seconds - n.start_seconds for n in notes) < 0.6
    assert sung_notes(np.zeros((40, features.NUM_FEATURES), np.float32), FRAME_RATE) == ()


def test_notes_never_overlap_and_are_never_too_short():
    rng = np.random.default_rng(2)
    # A new random pitch every one to six frames, with random onsets.
    pitch = np.repeat(rng.integers(20, 40, 100), rng.integers(1, 7, 100))
    rows = rng.random((len(pitch), features.NUM_FEATURES)).astype(np.float32)
    rows[:, features.PITCH] = np.eye(features.NUM_PITCHES)[pitch]
    rows[:, features.VOICING] = 1
    notes = sung_notes(rows, FRAME_RATE)
    assert len(notes) > 20
    for one, two in pairwise(notes):
        assert one.end_seconds <= two.start_seconds
    assert min(n.end_seconds - n.start_seconds for n in notes) >= SHORTEST_SECONDS
