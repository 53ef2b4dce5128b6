"""A song as a score in seconds, and the edits that make new songs of it."""

from dataclasses import dataclass, replace
from itertools import pairwise

from banso.leadsheet import ChordSpan, LeadSheet


@dataclass(frozen=True, slots=True)
class Note:
    """One note of a score.

    Attributes:
        start_seconds: When it begins.
        end_seconds: When it ends; later than the start.
        pitch: MIDI note number, 60 = middle C.
        velocity: Loudness as in MIDI, 1 to 127.
        lyric: Syllable sung to it, with `-` at its end if the word goes on; empty if none is known.
    """

    start_seconds: float
    end_seconds: float
    pitch: int
    velocity: int
    lyric: str = ""


Notes = tuple[Note, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Song:
    """A sung melody with what a band needs to know to accompany it.

    Attributes:
        song_id: Corpus and number, for example `pop909-001`.
        source: Name of the corpus.
        melody: The sung line, in order of start.
        bridge: Lead line of instruments in the vocal's pauses.
        piano: A pianist's accompaniment; empty if the corpus has none.
        lead_sheet: Beats, downbeats, chords and key.
        duration_seconds: Length of the song.
        licence: SPDX name of the score's licence.
        attribution: Whom to name.
        drums: A drummer's performance; empty if the corpus has none.
        is_written_out: Whether piano and drums are the whole accompaniment, not to be arranged.
    """

    song_id: str
    source: str
    melody: Notes
    bridge: Notes
    piano: Notes
    lead_sheet: LeadSheet
    duration_seconds: float
    licence: str
    attribution: str
    drums: Notes = ()
    is_written_out: bool = False

    @property
    def beats_per_bar(self) -> int:
        """Most common number of beats between downbeats; 4 if there are too few to tell."""
        places = {beat: i for i, beat in enumerate(self.lead_sheet.beats)}
        downs = [places[down] for down in self.lead_sheet.downbeats]
        lengths = [b - a for a, b in pairwise(downs)]
        return max(set(lengths), key=lengths.count) if lengths else 4

    def excerpt(self, start_seconds: float, end_seconds: float) -> "Song":
        """Return the part between two times, with times counted from the start of the part."""
        return replace(
            self,
            melody=_cut(self.melody, start_seconds, end_seconds),
            bridge=_cut(self.bridge, start_seconds, end_seconds),
            piano=_cut(self.piano, start_seconds, end_seconds),
            drums=_cut(self.drums, start_seconds, end_seconds),
            lead_sheet=sheet_excerpt(self.lead_sheet, start_seconds, end_seconds),
            duration_seconds=end_seconds - start_seconds,
        )

    def transposed(self, semitones: int) -> "Song":
        """Return the song moved up by a number of semitones, chords and key included."""

        def move(notes: Notes) -> Notes:
            return tuple(
                replace(note, pitch=note.pitch + semitones)
                for note in notes
                if 0 <= note.pitch + semitones <= 127
            )

        return replace(
            self,
            melody=move(self.melody),
            bridge=move(self.bridge),
            piano=move(self.piano),
            lead_sheet=self.lead_sheet.transposed(semitones),
        )

    def at_tempo(self, factor: float) -> "Song":
        """Return the song played `factor` times as fast."""

        def scale(notes: Notes) -> Notes:
            return tuple(
                replace(
                    n, start_seconds=n.start_seconds / factor, end_seconds=n.end_seconds / factor
                )
                for n in notes
            )

        sheet = self.lead_sheet
        return replace(
            self,
            melody=scale(self.melody),
            bridge=scale(self.bridge),
            piano=scale(self.piano),
            drums=scale(self.drums),
            lead_sheet=LeadSheet(
                beats=tuple(t / factor for t in sheet.beats),
                downbeats=tuple(t / factor for t in sheet.downbeats),
                chords=tuple(
                    ChordSpan(s.start_seconds / factor, s.end_seconds / factor, s.label)
                    for s in sheet.chords
                ),
                key=sheet.key,
            ),
            duration_seconds=self.duration_seconds / factor,
        )


def _cut(notes: Notes, start_seconds: float, end_seconds: float) -> Notes:
    """Keep notes that begin inside; those that ring on are ended at the border."""
    return tuple(
        replace(
            note,
            start_seconds=note.start_seconds - start_seconds,
            end_seconds=min(note.end_seconds, end_seconds) - start_seconds,
        )
        for note in notes
        if start_seconds <= note.start_seconds < end_seconds - 0.03
    )


def sheet_excerpt(sheet: LeadSheet, start_seconds: float, end_seconds: float) -> LeadSheet:
    """Return beats, chords and key between two times, counted from the start of the part."""
    duration = end_seconds - start_seconds

    def inside(times: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(t - start_seconds for t in times if start_seconds <= t < end_seconds)

    spans = []
    for span in sheet.chords:
        start = max(0.0, span.start_seconds - start_seconds)
        end = min(duration, span.end_seconds - start_seconds)
        if end - start > 1e-3:
            spans.append(ChordSpan(start, end, span.label))
    return LeadSheet(
        beats=inside(sheet.beats),
        downbeats=inside(sheet.downbeats),
        chords=tuple(spans),
        key=sheet.key,
    )
