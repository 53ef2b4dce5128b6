"""Play what a score writes out: a pianist's hands, or a drummer's, as they are."""

from dataclasses import replace

import numpy as np

from banso.data.arranger import Band, Track
from banso.data.song import Note, Notes, Song
from banso.errors import DataError

PIANO_STYLE = "art-song"
DRUMS_STYLE = "drums"

_PROGRAMS = (0, 0, 0, 1, 6)  # grand, bright, harpsichord
_KITS = (0, 8, 16, 24, 25, 40)
_TIGHTNESS_SECONDS = 0.008
_SPREAD_SECONDS = 0.012  # between the lowest and the highest note of a chord


def play_written(song: Song, rng: np.random.Generator) -> Band:
    """Return the band of a song whose accompaniment is written out.

    The pianist's hands are not quite together and not quite even; drums keep their own timing.

    Args:
        song: With piano or drums.
        rng: Decides instrument, touch and deviations.

    Raises:
        DataError: If the score has neither.
    """
    tracks = []
    if song.drums:
        tracks.append(_track("drums", int(rng.choice(_KITS)), song.drums, rng))
    if song.piano:
        hands = _touched(song.piano, song.duration_seconds, rng)
        tracks.append(_track("harmony", int(rng.choice(_PROGRAMS)), hands, rng))
    if not tracks:
        raise DataError(f"{song.song_id} has no accompaniment that is written out")
    return Band(style=PIANO_STYLE if song.piano else DRUMS_STYLE, tracks=tuple(tracks))


def _touched(notes: Notes, duration_seconds: float, rng: np.random.Generator) -> Notes:
    lowest, highest = min(n.pitch for n in notes), max(n.pitch for n in notes)
    roll = rng.uniform(-0.3, 1.0) * _SPREAD_SECONDS / max(highest - lowest, 1)
    played: list[Note] = []
    for note in notes:
        late = rng.normal(0, _TIGHTNESS_SECONDS) + roll * (note.pitch - lowest)
        start = float(np.clip(note.start_seconds + late, 0, duration_seconds - 0.1))
        end = min(max(note.end_seconds, start + 0.06), duration_seconds)
        velocity = int(np.clip(note.velocity + rng.normal(0, 5), 16, 126))
        played.append(replace(note, start_seconds=start, end_seconds=end, velocity=velocity))
    return tuple(sorted(played, key=lambda n: (n.start_seconds, n.pitch)))


def _track(part: str, program: int, notes: Notes, rng: np.random.Generator) -> Track:
    return Track(
        part=part,
        program=program,
        is_drums=part == "drums",
        notes=notes,
        level=int(rng.integers(96, 116)),
        pan=64,
        reverb=int(rng.integers(20, 90)),
        chorus=0,
    )
