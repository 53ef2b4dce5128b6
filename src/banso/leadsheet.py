"""The plan of a song: beats, bars, chords and key on the recording's own time line."""

from dataclasses import dataclass, field

from banso.chords import parse_chord, transpose_label
from banso.errors import DataError


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


@dataclass(frozen=True, kw_only=True, slots=True)
class LeadSheet:
    """Beats, downbeats and chords of a song; any of them may be unknown (empty).

    Attributes:
        beats: Times of all beats in seconds, strictly increasing.
        downbeats: Times of the first beats of bars; a subset of `beats`.
        chords: Chord spans in order, without overlap.
        key: MIREX key such as `C:maj` or `A:min`, or None if unknown.
    """

    beats: tuple[float, ...] = ()
    downbeats: tuple[float, ...] = ()
    chords: tuple[ChordSpan, ...] = field(default=())
    key: str | None = None

    def __post_init__(self) -> None:
        if any(b <= a for a, b in zip(self.beats, self.beats[1:], strict=False)):
            raise DataError("beats of a lead sheet must increase strictly")
        if not set(self.downbeats) <= set(self.beats):
            raise DataError("every downbeat of a lead sheet must be one of its beats")
        for span in self.chords:
            parse_chord(span.label)
            if span.end_seconds <= span.start_seconds:
                raise DataError(
                    f"chord {span.label} ends at {span.end_seconds} s, before it starts"
                )
        for before, after in zip(self.chords, self.chords[1:], strict=False):
            if after.start_seconds < before.end_seconds - 1e-6:
                raise DataError(f"chords overlap at {after.start_seconds} s")

    def transposed(self, semitones: int) -> "LeadSheet":
        """Return the sheet with chords and key moved up by a number of semitones."""
        spans = tuple(
            ChordSpan(s.start_seconds, s.end_seconds, transpose_label(s.label, semitones))
            for s in self.chords
        )
        key = None if self.key is None else transpose_label(self.key, semitones)
        return LeadSheet(beats=self.beats, downbeats=self.downbeats, chords=spans, key=key)
