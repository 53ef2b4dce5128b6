r"""Reduce songs to what planning learns from: melodies, beats and chords, in one small file.

    python scripts/song_lessons.py --pop909 pop909 --openewld OpenEWLD.tar.xz \
        --lieder OpenScore-Lieder.tar.xz --bands work/bands --out work/lessons.npz

`learn_keyed_chords.py` and `learn_pulse.py` read it, without any corpus at hand. Scores tell what
is sung, a data set's voices what is heard of it. Songs keep the split of `banso.data.manifest`; a
tenth of the training songs is set apart as `tuning`.
"""

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from banso import features
from banso.chords import parse_chord
from banso.leadsheet import LeadSheet, SungNote
from banso.measures import Measures, measures_of
from banso.notes import sung_notes
from banso.onsets import SungEvents, find_events
from banso.pulse import beats_per_bar_of

Floats = NDArray[np.float64]
NO_SIGNATURE = -1
# C to B major, C to B minor, none, and what is no triad.
NONE, OTHER = 24, 25
_LEAST_NOTES, _LEAST_BARS = 16, 8
_ROWS = ("notes", "others", "beats", "is_down", "chords", "events")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lesson:
    """A song reduced to numbers.

    Attributes:
        song_id: Its name in manifests.
        split: `train`, `tuning`, `validation` or `test`.
        signature: Pitch class of the major key with its signature; -1 if the score tells none.
        notes: Sung: start and end in seconds, MIDI pitch [notes, 3].
        others: What else has a line: instruments between phrases, the top of the piano [notes, 3].
        beats: Seconds [beats].
        is_down: Whether each begins a bar [beats].
        chords: Start and end in seconds, column of the triad (`column_of`) [chords, 3].
        events: Of a voice that was listened to: as in `banso.onsets`, start and end in seconds,
            pitch, strength [events, 4]. Then `notes` are what was heard as well.
    """

    song_id: str
    split: str
    signature: int
    notes: Floats
    others: Floats
    beats: Floats
    is_down: NDArray[np.bool_]
    chords: Floats
    events: Floats

    @property
    def source(self) -> str:
        """Name of the corpus."""
        return self.song_id.partition("-")[0]

    @property
    def is_heard(self) -> bool:
        """Whether somebody sang it."""
        return len(self.events) > 0

    @property
    def measures(self) -> Measures:
        """Half bars from the first beat to one beat after the last."""
        beats = self.beats
        sheet = LeadSheet(beats=tuple(beats), downbeats=tuple(beats[self.is_down]))
        return measures_of(sheet, float(2 * beats[-1] - beats[-2]))

    @property
    def beats_per_bar(self) -> int:
        """Most common number of beats between downbeats."""
        return beats_per_bar_of(self.is_down)


def column_of(label: str) -> int:
    """Column of a chord's triad; sus chords and diminished ones have none of their own."""
    chord = parse_chord(label)
    tones = set(chord.intervals)
    if chord.root is None:
        return NONE
    if 7 not in tones or not tones & {3, 4}:
        return OTHER
    return chord.root + 12 * chord.is_minor


def chord_seconds(chords: Floats, borders: Floats) -> Floats:
    """How long each column sounds between borders [borders - 1, 26]."""
    start, end, column = chords.T
    overlap = np.minimum(borders[1:, None], end) - np.maximum(borders[:-1, None], start)
    return np.asarray(np.maximum(0.0, overlap) @ np.eye(OTHER + 1)[column.astype(np.int64)])


def write_lessons(path: Path, lessons: Sequence[Lesson]) -> None:
    """Write lessons to an `.npz`."""
    arrays: dict[str, NDArray[Any]] = {
        "song_id": np.array([lesson.song_id for lesson in lessons]),
        "split": np.array([lesson.split for lesson in lessons]),
        "signature": np.array([lesson.signature for lesson in lessons]),
    }
    for name in _ROWS:
        rows = [getattr(lesson, name) for lesson in lessons]
        arrays[f"{name}_count"] = np.array([len(row) for row in rows])
        joined = np.concatenate(rows)
        arrays[name] = joined if joined.dtype == bool else joined.astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **arrays)


def read_lessons(path: Path) -> list[Lesson]:
    """Read what `write_lessons` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        table = {name: arrays[name] for name in arrays.files}
    parts = {name: np.split(table[name], np.cumsum(table[f"{name}_count"])[:-1]) for name in _ROWS}
    return [
        Lesson(
            song_id=str(table["song_id"][i]),
            split=str(table["split"][i]),
            signature=int(table["signature"][i]),
            is_down=parts["is_down"][i],
            **{name: parts[name][i].astype(np.float64) for name in _ROWS if name != "is_down"},
        )
        for i in range(len(table["song_id"]))
    ]


def lessons_of(corpus: Sequence[Any]) -> Iterator[Lesson]:
    """Yield a lesson for every song of a corpus that can be used."""
    from banso.errors import BansoError

    for raw in corpus:
        try:
            song = raw.read()
        except BansoError:
            continue
        sheet = song.lead_sheet
        if sheet.chords and len(sheet.downbeats) >= _LEAST_BARS and len(song.melody) > _LEAST_NOTES:
            yield _lesson(song)


def _lesson(song: Any) -> Lesson:  # noqa: ANN401 (banso.data is imported only where it is needed)
    """A lesson of anything with a lead sheet; without its melody if it has none."""
    sheet = song.lead_sheet
    key = None if sheet.key is None else parse_chord(sheet.key)
    beats = np.array(sheet.beats)
    rows = [(s.start_seconds, s.end_seconds, column_of(s.label)) for s in sheet.chords]
    return Lesson(
        song_id=song.song_id,
        split=_split(song.song_id),
        signature=NO_SIGNATURE if key is None else ((key.root or 0) + 3 * key.is_minor) % 12,
        notes=_rows(getattr(song, "melody", ())),
        others=_rows(getattr(song, "bridge", ())),
        beats=beats,
        is_down=np.isin(beats, sheet.downbeats),
        chords=np.array(rows, dtype=np.float64),
        events=np.zeros((0, 4)),
    )


def heard_lessons(folder: Path) -> Iterator[Lesson]:
    """Yield a lesson for every voice of a data set that `banso prepare pop909` made."""
    from banso.audio import Audio
    from banso.data.manifest import load_manifest
    from banso.files import read_audio
    from banso.listening import listen

    manifest = load_manifest(folder)
    for item in manifest.items:
        sheet = item.lead_sheet
        if len(sheet.downbeats) < _LEAST_BARS or item.split == "test":
            continue
        audio = Audio(read_audio(manifest.path(item, "vocals.flac")).samples, item.sample_rate)
        heard = listen(audio, features.SAMPLE_RATE, features.HOP_LENGTH)
        yield _heard_lesson(item, find_events(heard.features, heard.frame_rate),
                            sung_notes(heard.features, heard.frame_rate))  # fmt: skip


def _heard_lesson(item: Any, events: SungEvents, notes: Sequence[SungNote]) -> Lesson:  # noqa: ANN401
    blank = _lesson(item)
    rows = [(n.start_seconds, n.end_seconds, n.midi) for n in notes]
    columns = (events.seconds, events.end_seconds, events.pitch, events.strength)
    return replace(
        blank,
        split=_split(item.song_id),
        notes=np.array(rows, dtype=np.float64).reshape(-1, 3),
        events=np.stack(columns, axis=1),
    )


def _rows(notes: Sequence[Any]) -> Floats:
    rows = [(n.start_seconds, n.end_seconds, n.pitch) for n in notes]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _split(song_id: str) -> str:
    from banso.data.manifest import split_of

    digest = int(hashlib.md5(song_id.encode(), usedforsecurity=False).hexdigest(), 16)
    split = split_of(song_id)
    return "tuning" if split == "train" and digest // 100 % 10 == 0 else split


def main() -> None:
    """Read the corpora and write the file."""
    from banso.data.sources import lieder, openewld, pop909

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pop909", type=Path, required=True)
    parser.add_argument("--openewld", type=Path)
    parser.add_argument("--lieder", type=Path)
    parser.add_argument("--bands", type=Path, help="data set of POP909, whose voices are heard")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    lessons = list(lessons_of(pop909.read_corpus(options.pop909)))
    if options.openewld:
        lessons += lessons_of(openewld.read_corpus(options.openewld))
    if options.lieder:
        lessons += lessons_of(lieder.read_corpus(options.lieder))
    if options.bands:
        lessons += heard_lessons(options.bands)
    write_lessons(options.out, lessons)
    print(f"{len(lessons)} songs; {options.out} has {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
