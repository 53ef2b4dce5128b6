"""Which notes of which octave make a chord, so that neighbouring chords lie close together."""

from collections.abc import Sequence

import numpy as np

from banso.chords import Chord


def lead_voices(chords: Sequence[Chord], centre: int, num_voices: int) -> list[tuple[int, ...]]:
    """Voice a row of chords so that the voices move little and stay around a note.

    Args:
        chords: One per step; equal neighbours share a voicing.
        centre: MIDI note that the voicings' middle stays near.
        num_voices: Notes per chord; triads are doubled at the octave to fill up to it.

    Returns:
        MIDI notes in rising order, per step; empty where there is no chord.
    """
    voicings: list[tuple[int, ...]] = []
    last: tuple[int, ...] = ()
    for index, chord in enumerate(chords):
        if index and chord == chords[index - 1]:
            voicings.append(voicings[-1])
            continue
        if chord.root is None:
            voicings.append(())
            continue
        candidates = _candidates(chord, centre, num_voices)
        previous = last
        root = chord.root
        best = min(candidates, key=lambda notes: _cost(notes, previous, centre, root))
        voicings.append(best)
        last = best
    return voicings


def bass_pitch(chord: Chord, mark: str, upcoming: Chord, lowest: int) -> int:
    """Return the bass note for a mark of a bass pattern.

    Args:
        chord: Sounding chord; has a bass.
        mark: `R` bass note, `F` fifth, `O` octave, `T` third, `A` approach to the next bass note.
        upcoming: Chord that an approach leads to.
        lowest: MIDI note below which the bass does not go.
    """
    if chord.bass is None or chord.root is None:
        raise ValueError("a chord without notes has no bass note")
    bass = lowest + (chord.bass - lowest) % 12
    if mark == "F" and 7 in chord.intervals:
        return lowest + (chord.root + 7 - lowest) % 12
    if mark == "T":
        third = next((i for i in (4, 3) if i in chord.intervals), 0)
        return lowest + (chord.root + third - lowest) % 12
    if mark == "O":
        return bass + 12
    if mark == "A" and upcoming.bass is not None:
        target = lowest + (upcoming.bass - lowest) % 12
        return target - 1 if target > bass else target + 1
    return bass


def _candidates(chord: Chord, centre: int, num_voices: int) -> list[tuple[int, ...]]:
    """All close positions near the centre; the fifth is the first note to be left out."""
    intervals = list(chord.intervals)
    while len(intervals) > max(3, num_voices):
        intervals.remove(7 if 7 in intervals else intervals[-1])
    root = chord.root or 0
    classes = {(root + interval) % 12 for interval in intervals}
    ladder = [note for note in range(centre - 14, centre + 20) if note % 12 in classes]
    size = max(num_voices, len(classes))
    return [tuple(ladder[i : i + size]) for i in range(len(ladder) - size + 1)]


def _cost(notes: tuple[int, ...], last: tuple[int, ...], centre: int, root: int) -> float:
    classes = [note % 12 for note in notes]
    # A doubled third or fifth makes the chord sound like another one.
    misdoubled = len(set(classes)) < len(classes) and classes.count(root) < 2
    distance = abs(float(np.mean(notes)) - centre) + 6 * misdoubled
    if not last:
        return distance
    moved = sum(min(abs(note - other) for other in last) for note in notes)
    return moved + 0.35 * distance
