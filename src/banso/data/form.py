"""The time line of an arrangement: sixteenths on the beats, and how loud each section is."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from banso.chords import Chord, parse_chord
from banso.data.song import Song

STEPS_PER_BEAT = 4
PHRASE_BARS = 4

_SILENT = Chord(None, (), None)
_RISE = 0.12  # between phrases, from which on a band builds up or lets go
_BREAK_CHANCE = 0.2


@dataclass(frozen=True, slots=True)
class Step:
    """One sixteenth of the song: where it is and what it belongs to.

    Attributes:
        seconds: When it begins.
        next_seconds: When the next begins.
        bar: Number of its bar; 0 is the pickup, if there is one.
        place: Sixteenths since the bar's start.
        bar_length: Sixteenths of the bar.
        chord: What sounds.
        energy: 0 to 1.
        is_break: Whether drums and bass hold their breath before a louder section.
    """

    seconds: float
    next_seconds: float
    bar: int
    place: int
    bar_length: int
    chord: Chord
    energy: float
    is_break: bool = False


def energies(song: Song, rng: np.random.Generator) -> list[float]:
    """Return the energy of each bar, 0 to 1, constant over phrases.

    High and busy singing is a chorus more often than not, so it carries the band up; phrases
    without singing keep the band going, except sometimes an intro. Bar 0 is the pickup.
    """
    downs = np.array((0.0, *song.lead_sheet.downbeats, song.duration_seconds))
    num_bars = len(downs) - 1
    starts = np.array([note.start_seconds for note in song.melody])
    pitches = np.array([note.pitch for note in song.melody], float)
    phrase = np.maximum(0, np.arange(num_bars) - 1) // PHRASE_BARS
    drive = np.full(int(phrase[-1]) + 1, np.nan)
    for index in range(len(drive)):
        bars = np.flatnonzero(phrase == index)
        inside = (starts >= downs[bars[0]]) & (starts < downs[bars[-1] + 1])
        if inside.sum() >= 4:
            drive[index] = pitches[inside].mean() + inside.sum() / len(bars)
    sung = drive[~np.isnan(drive)]
    low, high = (float(sung.min()), float(sung.max())) if len(sung) else (0.0, 1.0)
    level = 0.3 + 0.6 * (drive - low) / max(high - low, 1.0)
    level = np.where(np.isnan(drive), rng.uniform(0.3, 0.8), level)
    level += rng.normal(0, 0.1, len(level))
    if rng.random() < 0.4:
        level[0] = rng.uniform(0.0, 0.3)
    level = np.clip(level, 0.0, 1.0)
    return [float(x) for x in level[phrase]]


def breaks(levels: list[float], rng: np.random.Generator) -> frozenset[int]:
    """Return bars in whose second half drums and bass stop, so that the next bar comes as a hit."""
    rising = [bar for bar, (now, then) in enumerate(pairwise(levels)) if then - now > _RISE]
    return frozenset(bar for bar in rising if bar > 0 and rng.random() < _BREAK_CHANCE)


def steps(song: Song, levels: list[float], break_bars: frozenset[int] = frozenset()) -> list[Step]:
    """Return the sixteenths of a song.

    The last bar before a louder phrase builds up to it, that before a softer one lets go.

    Args:
        song: With at least two beats.
        levels: Energy of each bar; bar 0 is the pickup.
        break_bars: Bars in whose second half drums and bass stop.
    """
    sheet = song.lead_sheet
    beats = covered(np.array(sheet.beats), song.duration_seconds)
    edges = np.interp(
        np.arange((len(beats) - 1) * STEPS_PER_BEAT + 1) / STEPS_PER_BEAT,
        np.arange(len(beats)),
        beats,
    )
    downs = np.array(sheet.downbeats)
    bar_of = np.searchsorted(downs, edges + 1e-4, side="right")
    spans = [(s.start_seconds, s.end_seconds, parse_chord(s.label)) for s in sheet.chords]
    chord_starts = np.array([s[0] for s in spans])
    chord_of = np.searchsorted(chord_starts, edges + 0.02, side="right") - 1
    _, first, counts = np.unique(bar_of[:-1], return_index=True, return_counts=True)
    first_of = {int(bar_of[i]): (int(i), int(n)) for i, n in zip(first, counts, strict=True)}
    common = song.beats_per_bar * STEPS_PER_BEAT
    line = []
    for i in range(len(edges) - 1):
        if edges[i] < -1e-3 or edges[i] >= song.duration_seconds - 0.02:
            continue
        bar = int(bar_of[i])
        start, length = first_of[bar]
        # A pickup is the end of a bar whose beginning is missing.
        place = i - start + (max(0, common - length) if bar == 0 else 0)
        index = int(chord_of[i])
        sounding = index >= 0 and edges[i] < spans[index][1] - 0.02
        chord = spans[index][2] if sounding else _SILENT
        held = bar in break_bars and place >= length // 2
        energy = _energy(levels, bar, (i - start) / length)
        begin, end = float(max(edges[i], 0.0)), float(edges[i + 1])
        line.append(Step(begin, end, bar, place, length, chord, energy, held))
    return line


def covered(beats: NDArray[np.float64], duration_seconds: float) -> NDArray[np.float64]:
    """Continue the beats at their first and last tempo until they cover the song."""
    first, last = beats[1] - beats[0], beats[-1] - beats[-2]
    before = int(np.ceil(max(0.0, beats[0]) / first))
    after = int(np.ceil(max(0.0, duration_seconds - beats[-1]) / last)) + 1
    head = beats[0] - first * np.arange(before, 0, -1)
    return np.concatenate((head, beats, beats[-1] + last * np.arange(1, after + 1)))


def _energy(levels: list[float], bar: int, share: float) -> float:
    now = levels[min(bar, len(levels) - 1)]
    then = levels[min(bar + 1, len(levels) - 1)]
    if abs(then - now) <= _RISE:
        return now
    # Builds go nearly all the way, releases half of it.
    return now + (then - now) * share * (0.9 if then > now else 0.5)
