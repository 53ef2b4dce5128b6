"""Human drumming in an arranged band: recorded performances laid on the beats of a song.

A performance of the band's style, metre and about its tempo is looped bar by bar; each stroke
keeps its loudness and its place between the beats, so the drummer's feel survives any tempo.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from banso.data.song import Note
from banso.data.sources.groove import DrumHit, DrumTake

# Corpus styles that suit a band style, best first; `` stands for any.
_MATCHES: dict[str, tuple[str, ...]] = {
    "pop-band": ("pop", "rock/indie", "soul", "rock", "gospel"),
    "ballad": ("pop/soft", "rock/halftime", "soul", "gospel", "pop"),
    "acoustic": ("pop/soft", "rock/folk", "country", "highlife", "pop"),
    "rock": ("rock", "punk", "rock/shuffle"),
    "electronic": ("dance", "hiphop", "pop"),
    "lo-fi": ("hiphop", "funk/purdieshuffle", "soul"),
    "bossa": ("latin/brazilian-bossa", "latin/brazilian", "latin"),
    "funk": ("funk", "neworleans/funk", "soul", "jazz/funk"),
    "country": ("country", "rock/rockabilly", "rock/folk"),
    "waltz": ("jazz", "rock", "latin", ""),
}
_WIDEST_TEMPO_RATIO = 1.35
_STROKE_SECONDS = 0.12
_CYMBALS_AND_KICK = (36, 42, 44, 46, 51)


@dataclass(frozen=True, slots=True)
class DrumBar:
    """One bar of the song as a drummer sees it.

    Attributes:
        beats: Times of its beats and of the next bar's first, in seconds.
        energy: 0 to 1.
        is_fill: Whether it leads into the next phrase.
        is_pickup: Whether its beginning lies before the song.
    """

    beats: tuple[float, ...]
    energy: float
    is_fill: bool
    is_pickup: bool


@dataclass(frozen=True, slots=True)
class Drummer:
    """All performances at hand."""

    takes: tuple[DrumTake, ...]

    def choose(
        self, style: str, beats_per_bar: int, tempo: float, rng: np.random.Generator
    ) -> DrumTake | None:
        """Pick a beat of a fitting style, metre and tempo; None if there is none.

        Args:
            style: Of the band.
            beats_per_bar: Of the song.
            tempo: Of the song, in beats per minute.
            rng: Decides among those that fit.
        """
        beats = [t for t in self.takes if not t.is_fill and t.beats_per_bar == beats_per_bar]
        return _pick(beats, style, tempo, rng, ("",))

    def choose_fills(
        self, style: str, beats_per_bar: int, tempo: float, rng: np.random.Generator
    ) -> tuple[DrumTake, ...]:
        """Pick a few fills that fit, as many as there are, at most four."""
        fills = [t for t in self.takes if t.is_fill and t.beats_per_bar == beats_per_bar]
        picked = (_pick(fills, style, tempo, rng, ("rock", "")) for _ in range(4))
        return tuple(take for take in picked if take is not None)


def play(
    take: DrumTake,
    fills: Sequence[DrumTake],
    bars: Sequence[DrumBar],
    duration_seconds: float,
    rng: np.random.Generator,
) -> list[Note]:
    """Lay a performance on the bars of a song.

    Args:
        take: Looped from a random bar on.
        fills: What leads into phrases; the beat goes on if there are none.
        bars: In order.
        duration_seconds: Length of the song; strokes outside are left out.
        rng: Decides where the loop begins and which fill is played.

    Returns:
        Strokes as notes in order of start.
    """
    offset = int(rng.integers(take.num_bars))
    notes: list[Note] = []
    for number, bar in enumerate(bars):
        hits: Sequence[DrumHit] = take.bar(number + offset)
        if bar.is_fill and fills:
            hits = _with_fill(hits, fills[int(rng.integers(len(fills)))], take.beats_per_bar)
        first = take.beats_per_bar - (len(bar.beats) - 1) if bar.is_pickup else 0
        for hit in hits:
            if bar.energy < 0.2 and hit.key not in _CYMBALS_AND_KICK:
                continue
            note = _stroke(hit, first, bar, duration_seconds)
            if note is not None:
                notes.append(note)
    return sorted(notes, key=lambda note: (note.start_seconds, note.pitch))


def _pick(
    takes: Sequence[DrumTake],
    style: str,
    tempo: float,
    rng: np.random.Generator,
    fallback: tuple[str, ...],
) -> DrumTake | None:
    """The first style with takes near the tempo decides; a style nobody matches has none."""
    if style not in _MATCHES:
        return None
    wanted = _MATCHES[style] + (fallback if takes and takes[0].is_fill else ())
    for name in wanted:
        words = tuple(name.split("/")) if name else ()
        near = [
            take for take in takes
            if take.styles[: len(words)] == words
            and abs(np.log(take.tempo / tempo)) <= np.log(_WIDEST_TEMPO_RATIO)
        ]  # fmt: skip
        if near:
            return near[int(rng.integers(len(near)))]
    return None


def _with_fill(hits: Sequence[DrumHit], fill: DrumTake, beats_per_bar: int) -> list[DrumHit]:
    """Begin a bar with the beat and end it with a fill of at most its second half."""
    start = beats_per_bar / 2
    late = [hit for hit in fill.bar(fill.num_bars - 1) if hit.beat >= start]
    return [hit for hit in hits if hit.beat < start] + late if late else list(hits)


def _stroke(hit: DrumHit, first: int, bar: DrumBar, duration_seconds: float) -> Note | None:
    """The stroke in seconds; None if the bar is too short for it or it is outside the song."""
    place = hit.beat - first
    if place < -0.25 or place >= len(bar.beats) - 1 - 1e-6:
        return None
    beat = max(0, int(place))
    start = bar.beats[beat] + (place - beat) * (bar.beats[beat + 1] - bar.beats[beat])
    if not 0 <= start < duration_seconds - 0.05:
        return None
    velocity = int(np.clip(hit.velocity * (0.72 + 0.36 * bar.energy), 8, 127))
    end = min(start + _STROKE_SECONDS, duration_seconds)
    return Note(float(start), float(end), hit.key, velocity)
