"""From written measures to seconds: repeats played out, tempo marks followed, beats and bars told.

Da capo and dal segno are not followed; the piece is then heard once from start to end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from banso.data.musicxml import Mark, Measure, Part, Score, ScoreNote
from banso.data.song import Note, Notes
from banso.errors import DataError

_SLOWEST, _FASTEST = 30.0, 300.0  # quarters per minute that a tempo mark can mean
_NOTES_PER_SECOND = 1.8  # sung; POP909 has 2.5 (median of 105 songs), older songs fewer
_SENSIBLE = (66.0, 132.0)
_MIDDLE_TEMPO = 100.0
_MOST_MEASURES = 4000


@dataclass(frozen=True, slots=True)
class _Played:
    """A measure in the order of playing: which one, in which pass, and when it begins."""

    index: int
    verse: int
    start: Fraction


class Performance:
    """A score as it is played, on one clock.

    Attributes:
        beats: Times of all beats in seconds.
        downbeats: Times of those that begin a bar.
        duration_seconds: End of the last measure.
    """

    def __init__(self, score: Score) -> None:
        """Lay out a score.

        Args:
            score: With at least one part.

        Raises:
            DataError: If its repeats do not end or it has no bar.
        """
        self._guide = score.parts[0].measures
        self._lengths = _lengths(score.parts)
        self._order: list[_Played] = []
        now = Fraction(0)
        for index, verse in _unfolded(self._guide):
            self._order.append(_Played(index, verse, now))
            now += self._lengths[index]
        self._clock(score.parts, float(now))
        grid, bars = self._grid(now)
        self.beats = tuple(self._seconds(grid))
        self.downbeats = tuple(self.beats[i] for i in bars)
        self.duration_seconds = self._seconds([float(now)])[0]
        if len(self.downbeats) < 2:
            raise DataError(f"'{score.title}' has only {len(self.downbeats)} bars")

    def notes(self, part: Part) -> Notes:
        """Return what a part plays or sings, ties joined, in order of start and pitch."""
        placed: list[tuple[Fraction, Fraction, ScoreNote, str]] = []
        sounding: dict[int, int] = {}
        for measure, played in self._measures(part):
            for note in sorted(measure.notes, key=lambda n: n.onset):
                start = played.start + note.onset
                last = sounding.get(note.pitch)
                if note.is_tied and last is not None and placed[last][1] == start:
                    placed[last] = (placed[last][0], start + note.length, *placed[last][2:])
                    continue
                lyric = note.lyrics[min(played.verse, len(note.lyrics) - 1)] if note.lyrics else ""
                sounding[note.pitch] = len(placed)
                placed.append((start, start + note.length, note, lyric))
        starts = self._seconds([float(p[0]) for p in placed])
        ends = self._seconds([float(p[1]) for p in placed])
        notes = [
            Note(start, end, note.pitch, note.velocity, lyric)
            for start, end, (_, _, note, lyric) in zip(starts, ends, placed, strict=True)
            if end - start > 0.01
        ]
        return tuple(sorted(notes, key=lambda n: (n.start_seconds, n.pitch)))

    def chords(self, part: Part) -> list[tuple[float, str]]:
        """Return when each chord symbol of a part begins, and its name."""
        marks = self._marks(part)
        times = self._seconds([float(place) for place, _ in marks])
        return [
            (time, mark.chord)
            for time, (_, mark) in zip(times, marks, strict=True)
            if mark.chord is not None
        ]

    def _measures(self, part: Part) -> list[tuple[Measure, _Played]]:
        return [
            (part.measures[played.index], played)
            for played in self._order
            if played.index < len(part.measures)
        ]

    def _marks(self, part: Part) -> list[tuple[Fraction, Mark]]:
        marks = [(p.start + mark.onset, mark) for m, p in self._measures(part) for mark in m.marks]
        return sorted(marks, key=lambda placed: placed[0])

    def _clock(self, parts: Sequence[Part], end: float) -> None:
        """Corners of the line from quarter notes to seconds."""
        tempi = {
            float(place): float(np.clip(mark.tempo, _SLOWEST, _FASTEST))
            for part in parts
            for place, mark in self._marks(part)
            if mark.tempo is not None
        }
        first = tempi[min(tempi)] if tempi else _sensible_tempo(parts[0])
        corners = sorted({0.0: first} | tempi | {end + 1e-6: first})
        seconds = [0.0]
        speed = first
        for before, after in pairwise(corners):
            speed = tempi.get(before, speed)
            seconds.append(seconds[-1] + (after - before) * 60 / speed)
        self._corners, self._times = corners, seconds

    def _seconds(self, quarters: Sequence[float]) -> list[float]:
        times = np.interp(quarters, self._corners, self._times)
        return [round(float(time), 6) for time in times]

    def _grid(self, end: Fraction) -> tuple[list[float], list[int]]:
        """Beats in quarter notes, and which of them begin a bar."""
        anchors = [
            (p.start, self._guide[p.index]) for p in self._order
            if not self._guide[p.index].is_partial
        ]  # fmt: skip
        if not anchors:
            return [], []
        beats: list[Fraction] = []
        first = anchors[0][0]
        unit = beat_length(anchors[0][1])
        beats += [first - k * unit for k in range(int(first / unit), 0, -1)]
        bars = []
        borders = [start for start, _ in anchors[1:]] + [end]
        for (start, measure), border in zip(anchors, borders, strict=True):
            unit = beat_length(measure)
            bars.append(len(beats))
            count = max(1, -int(-(border - start - unit / 4) // unit))
            beats += [start + k * unit for k in range(count)]
        return [float(beat) for beat in beats], bars


def beat_length(measure: Measure) -> Fraction:
    """Return the quarter notes of a beat: three units of compound metres, else one, no half note.

    Half-note beats are taken as two, since grooves are written in sixteenths of quarter notes.
    """
    unit = Fraction(4, measure.beat_type)
    if measure.beat_type >= 8 and measure.beats > 3 and measure.beats % 3 == 0:
        return unit * 3
    return min(unit, Fraction(1))


def one_voice(notes: Notes) -> Notes:
    """Keep one note at a time, the highest of those that start together: a singer has one voice."""
    kept: list[Note] = []
    for note in notes:
        if kept and note.start_seconds - kept[-1].start_seconds < 0.03:
            kept.pop()
        elif kept and kept[-1].end_seconds > note.start_seconds:
            last = kept.pop()
            kept.append(
                Note(last.start_seconds, note.start_seconds, last.pitch, last.velocity, last.lyric)
            )
        kept.append(note)
    return tuple(kept)


def _lengths(parts: Sequence[Part]) -> list[Fraction]:
    longest = max(len(part.measures) for part in parts)
    return [
        max(part.measures[i].length for part in parts if i < len(part.measures))
        for i in range(longest)
    ]


def _unfolded(measures: Sequence[Measure]) -> list[tuple[int, int]]:
    """Order of playing as pairs of measure and verse, counted from 0."""
    order: list[tuple[int, int]] = []
    index = start = verse = 0
    while index < len(measures):
        measure = measures[index]
        if measure.repeat_starts and index != start:
            start, verse = index, 0
        if measure.endings and verse + 1 not in measure.endings:
            index += 1
            continue
        order.append((index, verse))
        if len(order) > _MOST_MEASURES:
            raise DataError(f"the score's repeats play over {_MOST_MEASURES} measures")
        if verse + 1 < measure.repeat_times:
            index, verse = start, verse + 1
            continue
        index += 1
        left_ending = measure.endings and (index == len(measures) or not measures[index].endings)
        if measure.repeat_times or left_ending:
            start, verse = index, 0
    return order


def _sensible_tempo(part: Part) -> float:
    """Tempo half-way (as a ratio) between a walk and the one of usually many notes a second."""
    count = sum(len(m.notes) for m in part.measures)
    quarters = float(sum((n.length for m in part.measures for n in m.notes), Fraction(0)))
    usual = 60 * _NOTES_PER_SECOND * quarters / max(count, 1)
    return float(np.clip(np.sqrt(usual * _MIDDLE_TEMPO), *_SENSIBLE))
