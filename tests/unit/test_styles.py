"""Styles must differ in what is played, not in name: told apart by their notes alone."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from band_songs import BEAT_SECONDS, tiny_song
from banso.data.arranger import Band, arrange
from banso.data.song import Song
from banso.data.styles import PARTS, STYLES

pytestmark = pytest.mark.lab

STYLES_OF_FOUR = [name for name, style in STYLES.items() if 4 in style.meters]
CYMBALS = (42, 44, 46, 49, 51, 54, 70)


def _song(num_bars: int, semitones: int) -> Song:
    return replace(tiny_song(num_bars), piano=(), bridge=()).transposed(semitones)


def _offbeat_delay(starts: np.ndarray) -> float:
    """Mean lateness of notes near the eighths or sixteenths between beats, in beats."""
    place = (starts / BEAT_SECONDS) % 1
    delays = [
        np.mean(place[near] - grid) if np.any(near := np.abs(place - grid) < 0.12) else 0.0
        for grid in (0.25, 0.5, 0.75)
    ]
    return float(np.max(delays))


def _measures(band: Band, song: Song) -> np.ndarray:
    """Onsets a beat, mean pitch and length by part, drum colours and swing."""
    num_beats = song.duration_seconds / BEAT_SECONDS
    values = []
    for part in PARTS:
        notes = [n for t in band.tracks if t.part == part for n in t.notes]
        lengths = [n.end_seconds - n.start_seconds for n in notes] or [0.0]
        values += [len(notes) / num_beats, float(np.mean(lengths))]
        if part == "drums":
            values += [
                sum(n.pitch == 36 for n in notes) / num_beats,
                sum(n.pitch in (38, 39, 40) for n in notes) / num_beats,
                sum(n.pitch == 37 for n in notes) / num_beats,
                sum(n.pitch in CYMBALS for n in notes) / num_beats,
                10 * _offbeat_delay(np.array([n.start_seconds for n in notes])),
            ]
        else:
            values.append(float(np.mean([n.pitch for n in notes] or [60])) / 12)
    return np.array(values)


def _played(style: str, song: Song, seeds: range) -> np.ndarray:
    bands = [arrange(song, style, np.random.default_rng(seed)) for seed in seeds]
    return np.array([_measures(band, song) for band in bands])


def test_notes_alone_tell_the_style_of_songs_not_heard_before():
    known = {style: _played(style, _song(16, 0), range(8)) for style in STYLES_OF_FOUR}
    spread = np.mean([rows.std(axis=0) for rows in known.values()], axis=0) + 0.02
    centres = {style: rows.mean(axis=0) / spread for style, rows in known.items()}
    held_out = _song(24, 5)
    right = []
    for style in STYLES_OF_FOUR:
        for row in _played(style, held_out, range(100, 104)):
            distances = {n: np.linalg.norm(row / spread - c) for n, c in centres.items()}
            right.append(min(distances, key=lambda name: distances[name]) == style)
    # By chance one in ten would be right.
    assert len(STYLES_OF_FOUR) == 10
    assert np.mean(right) >= 0.8


def test_swing_is_heard_where_a_style_has_it():
    delays = {
        style: np.median([row[6] for row in _played(style, _song(16, 0), range(6))])
        for style in ("lo-fi", "funk", "electronic", "rock")
    }
    assert delays["lo-fi"] > delays["funk"] > max(delays["electronic"], delays["rock"]) + 0.05


def test_instruments_of_styles_overlap_little():
    def instruments(style: str) -> set[tuple[str, int]]:
        bands = [arrange(_song(8, 0), style, np.random.default_rng(s)) for s in range(6)]
        return {(t.part, t.program) for band in bands for t in band.tracks}

    sets = {style: instruments(style) for style in STYLES}
    for one, two in combinations(STYLES, 2):
        shared = len(sets[one] & sets[two]) / len(sets[one] | sets[two])
        assert shared < 0.5, (one, two)
