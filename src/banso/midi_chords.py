"""Chords as notes: a plain voicing to write, and the chord that notes make to read."""

import functools
import itertools
from collections.abc import Iterable

from banso.chords import PITCH_CLASS_NAMES, Chord, parse_chord
from banso.midi_file import MidiNote

_LOWEST_BASS, _LOWEST_TONE = 36, 55
# Simpler names win where two fit equally well.
_QUALITIES = (
    "maj", "min", "7", "min7", "maj7", "sus4", "dim", "maj6", "min6", "sus2", "aug", "hdim7",
    "dim7", "9", "maj9", "min9", "5",
)  # fmt: skip
_DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")


def voicing(chord: Chord) -> tuple[int, ...]:
    """Return MIDI pitches for a chord: the bass low, the other tones around middle C."""
    if chord.bass is None:
        return ()
    bass = _LOWEST_BASS + (chord.bass - _LOWEST_BASS) % 12
    tones = (_LOWEST_TONE + (tone - _LOWEST_TONE) % 12 for tone in chord.pitch_classes)
    return tuple(sorted({bass, *tones}))


def spans_of_notes(notes: Iterable[MidiNote]) -> tuple[tuple[int, int, str], ...]:
    """Name what a chord track plays.

    Args:
        notes: Of the track.

    Returns:
        Start tick, end tick and MIREX label of every chord: the notes that sound when one begins.
    """
    ordered = sorted(notes, key=lambda note: note.start_tick)
    spans: list[tuple[int, int, str]] = []
    sounding: list[MidiNote] = []
    for start, together in itertools.groupby(ordered, key=lambda note: note.start_tick):
        sounding = [note for note in sounding if note.end_tick > start] + list(together)
        label = label_of_pitches(tuple(sorted({note.pitch for note in sounding})))
        end = min(note.end_tick for note in sounding)
        if label is None or end <= start:
            continue
        if spans and spans[-1][1] > start:
            spans[-1] = (spans[-1][0], start, spans[-1][2])
        if spans and spans[-1][2] == label and spans[-1][1] == start:
            start = spans.pop()[0]
        spans.append((start, end, label))
    return tuple(spans)


@functools.lru_cache(4096)
def label_of_pitches(pitches: tuple[int, ...]) -> str | None:
    """Return the MIREX label of notes that sound together, lowest first; None if it has none.

    Args:
        pitches: MIDI numbers, increasing.
    """
    classes = {pitch % 12 for pitch in pitches}
    if len(classes) < 2:
        return None
    bass = pitches[0] % 12
    best: tuple[tuple[int, bool, int], str] | None = None
    for rank, quality in enumerate(_QUALITIES):
        for root in range(12):
            tones = set(parse_chord(f"{PITCH_CLASS_NAMES[root]}:{quality}").pitch_classes)
            wrong = len(tones ^ classes)
            score = (wrong, root != bass, rank)
            if wrong <= 1 and (best is None or score < best[0]):
                slash = "" if root == bass else f"/{_DEGREES[(bass - root) % 12]}"
                best = (score, f"{PITCH_CLASS_NAMES[root]}:{quality}{slash}")
    return None if best is None else best[1]
