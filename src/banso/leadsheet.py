"""The plan of a song: beats, bars, chords and key on the recording's own time line."""

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise

from banso.chords import parse_chord, transpose_label
from banso.errors import DataError

BEAT_UNITS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class ChordSpan:
    """One chord and when it sounds.

    Attributes:
        start_seconds: Where the chord begins.
        end_seconds: Where it ends; later than the start.
        label: MIREX chord name, `N` for none.
    """

    start_seconds: float
    end_seconds: float
    label: str


@dataclass(frozen=True, slots=True)
class Section:
    """Where a part of a song begins.

    Attributes:
        start_seconds: When it begins.
        name: For example `Chorus`; one line.
    """

    start_seconds: float
    name: str


@dataclass(frozen=True, slots=True)
class SungNote:
    """One note as it was sung.

    Attributes:
        start_seconds: When it begins.
        end_seconds: When it ends; later than the start.
        midi: Pitch as a MIDI note number, 60 = middle C; singers also sing between the keys.
    """

    start_seconds: float
    end_seconds: float
    midi: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LeadSheet:
    """Beats, downbeats and chords of a song; any of them may be unknown (empty).

    Attributes:
        beats: Times of all beats in seconds, strictly increasing.
        downbeats: Times of the first beats of bars; a subset of `beats`.
        chords: Chord spans in order, without overlap.
        key: MIREX key such as `C:maj` or `A:min`, or None if unknown.
        title: Name of the song, one line; empty if unknown.
        beat_unit: What a beat is written as: 4 for a quarter note, 8 for an eighth.
        sections: Parts of the song in order.
        notes: The sung melody in order, one note at a time.
    """

    beats: tuple[float, ...] = ()
    downbeats: tuple[float, ...] = ()
    chords: tuple[ChordSpan, ...] = field(default=())
    key: str | None = None
    title: str = ""
    beat_unit: int = 4
    sections: tuple[Section, ...] = ()
    notes: tuple[SungNote, ...] = ()

    def __post_init__(self) -> None:
        _check_increasing("beats", self.beats)
        if not set(self.downbeats) <= set(self.beats):
            raise DataError("every downbeat of a lead sheet must be one of its beats")
        _check_increasing("downbeats", self.downbeats)
        for span in self.chords:
            parse_chord(span.label)
            if not span.end_seconds > span.start_seconds:
                raise DataError(
                    f"chord {span.label} ends at {span.end_seconds} s, before it starts"
                )
        for before, after in pairwise(self.chords):
            if not after.start_seconds >= before.end_seconds - 1e-6:
                raise DataError(f"chords overlap at {after.start_seconds} s")
        if self.key is not None:
            parse_chord(self.key)
        self._check_annotations()

    def _check_annotations(self) -> None:
        for text in (self.title, *(section.name for section in self.sections)):
            if text != " ".join(text.split()) or not text.isprintable():
                raise DataError(f"title or section {text!r} must be one line of printable text")
        if not all(section.name for section in self.sections):
            raise DataError("a section of a lead sheet needs a name")
        if self.beat_unit not in BEAT_UNITS:
            raise DataError(f"beat unit is {self.beat_unit}; choose one of {BEAT_UNITS}")
        _check_increasing("sections", tuple(s.start_seconds for s in self.sections))
        for note in self.notes:
            if not (note.end_seconds > note.start_seconds and 0 <= note.midi <= 127):
                raise DataError(f"note {note} must have a length and a pitch from 0 to 127")
        for one, two in pairwise(self.notes):
            if not two.start_seconds >= one.end_seconds - 1e-6:
                raise DataError(f"sung notes overlap at {two.start_seconds} s")

    @property
    def tempo_bpm(self) -> float | None:
        """Median tempo in beats a minute; None with under two beats."""
        steps = sorted(b - a for a, b in pairwise(self.beats))
        return 60 / steps[len(steps) // 2] if steps else None

    @property
    def bar_lengths(self) -> tuple[int, ...]:
        """Beats in each bar; the last bar lasts as long as there are beats."""
        places = {beat: index for index, beat in enumerate(self.beats)}
        downs = [places[down] for down in self.downbeats]
        return tuple(b - a for a, b in pairwise([*downs, len(self.beats)])) if downs else ()

    @property
    def beats_per_bar(self) -> int:
        """Most common number of beats between downbeats; 4 if there are too few to tell."""
        lengths = self.bar_lengths[:-1]
        return Counter(lengths).most_common(1)[0][0] if lengths else 4

    def joined(self) -> "LeadSheet":
        """Return the sheet with neighbours of the same name made one chord."""
        spans: list[ChordSpan] = []
        for span in self.chords:
            start = span.start_seconds
            if spans and spans[-1].label == span.label and spans[-1].end_seconds >= start:
                start = spans.pop().start_seconds
            spans.append(ChordSpan(start, span.end_seconds, span.label))
        return replace(self, chords=tuple(spans))

    def transposed(self, semitones: int) -> "LeadSheet":
        """Return the sheet with chords, key and melody moved up by a number of semitones."""
        return replace(
            self,
            chords=tuple(
                replace(span, label=transpose_label(span.label, semitones)) for span in self.chords
            ),
            key=None if self.key is None else transpose_label(self.key, semitones),
            notes=tuple(replace(note, midi=note.midi + semitones) for note in self.notes),
        )


def _check_increasing(name: str, times: tuple[float, ...]) -> None:
    if not all(math.isfinite(time) for time in times):
        raise DataError(f"{name} of a lead sheet must be finite numbers of seconds")
    if any(b <= a for a, b in pairwise(times)):
        raise DataError(f"{name} of a lead sheet must increase strictly")
