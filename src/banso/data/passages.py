"""Passages without singing, written into songs: intros and interludes over their own chords."""

from dataclasses import replace

import numpy as np

from banso.data.song import Notes, Song
from banso.leadsheet import ChordSpan, LeadSheet

_INTRO_BARS = (2, 4)
_LEAST_BARS = 8
_PHRASE_BARS = 4


def with_intro(song: Song, rng: np.random.Generator) -> Song:
    """Put a few bars before the song in which the band plays alone.

    They have the chords of the song's first or last bars. A pickup is sung into the last of them.

    Args:
        song: With at least eight bars; a shorter one is returned as it is.
        rng: Decides how long the intro is and where its chords come from.
    """
    downs = song.lead_sheet.downbeats
    if len(downs) <= _LEAST_BARS:
        return song
    count = int(rng.choice(_INTRO_BARS))
    first = 0 if rng.random() < 0.5 else len(downs) - 1 - count
    length = downs[first + count] - downs[first]
    passage = _moved(_band_only(song, downs[first], downs[first + count]), -downs[first])
    body = _moved(_from_bar(song, downs[0]), length - downs[0])
    return _joined(song, passage, body, song.duration_seconds - downs[0] + length)


def with_interlude(song: Song, rng: np.random.Generator) -> Song:
    """Let the band go on alone for four bars between two phrases.

    Args:
        song: A song where no voice leads into any phrase border is returned as it is.
        rng: Decides between which phrases.
    """
    downs = song.lead_sheet.downbeats
    beat = float(np.median(np.diff(song.lead_sheet.beats))) if len(song.lead_sheet.beats) > 1 else 1
    starts = np.array([note.start_seconds for note in song.melody])
    borders = [
        index
        for index in range(_PHRASE_BARS, len(downs) - _PHRASE_BARS, _PHRASE_BARS)
        # A pickup belongs to what comes after it.
        if not np.any((starts >= downs[index] - beat) & (starts < downs[index] - 0.03))
    ]
    if not borders:
        return song
    at = borders[int(rng.integers(len(borders)))]
    place, length = downs[at], downs[at] - downs[at - _PHRASE_BARS]
    before = song.excerpt(0.0, place)
    passage = _moved(_band_only(song, place - length, place), length)
    after = _moved(_from_bar(song, place), length)
    joined = _joined(song, passage, after, song.duration_seconds + length)
    return _joined(song, before, joined, song.duration_seconds + length)


def _band_only(song: Song, start: float, end: float) -> Song:
    """The part between two times, at its old place, without the voice."""
    return replace(_moved(song.excerpt(start, end), start), melody=())


def _from_bar(song: Song, start: float) -> Song:
    """The song from a downbeat on; notes that lead into it stay, before its first beat."""
    part = _moved(song.excerpt(start, song.duration_seconds), start)
    pickup = (
        tuple(n for n in song.melody if n.start_seconds < start) if _is_first(song, start) else ()
    )
    return replace(part, melody=pickup + part.melody)


def _is_first(song: Song, start: float) -> bool:
    return start == song.lead_sheet.downbeats[0]


def _moved(song: Song, seconds: float) -> Song:
    """The same, so much later."""

    def move(notes: Notes) -> Notes:
        return tuple(
            replace(n, start_seconds=n.start_seconds + seconds, end_seconds=n.end_seconds + seconds)
            for n in notes
        )

    sheet = song.lead_sheet
    return replace(
        song,
        melody=move(song.melody),
        bridge=move(song.bridge),
        piano=move(song.piano),
        lead_sheet=replace(
            sheet,
            beats=tuple(t + seconds for t in sheet.beats),
            downbeats=tuple(t + seconds for t in sheet.downbeats),
            chords=tuple(
                ChordSpan(s.start_seconds + seconds, s.end_seconds + seconds, s.label)
                for s in sheet.chords
            ),
        ),
    )


def _joined(song: Song, first: Song, then: Song, duration_seconds: float) -> Song:
    """Two parts that lie one after the other on one time line."""
    one, two = first.lead_sheet, then.lead_sheet
    border = two.beats[0]
    beats = tuple(t for t in one.beats if t < border - 1e-3) + two.beats
    downs = tuple(t for t in one.downbeats if t < border - 1e-3) + two.downbeats
    chords = tuple(s for s in one.chords if s.start_seconds < border - 1e-3)
    return replace(
        song,
        melody=tuple(sorted(first.melody + then.melody, key=lambda n: n.start_seconds)),
        bridge=first.bridge + then.bridge,
        piano=first.piano + then.piano,
        lead_sheet=LeadSheet(
            beats=beats, downbeats=downs, chords=chords + two.chords, key=song.lead_sheet.key,
            title=song.lead_sheet.title, beat_unit=song.lead_sheet.beat_unit,
        ),
        duration_seconds=duration_seconds,
    )  # fmt: skip
