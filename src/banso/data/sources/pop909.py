"""POP909: 909 pop songs as MIDI, with beats, chords and keys annotated by hand and machine.

The corpus may be an unpacked folder or the `POP909.tar.xz` archive; either may lie below the
folder that the user names.

References:
    Wang et al. 2020, "POP909: A pop-song dataset for music arrangement generation", ISMIR.
"""

import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

import mido

from banso.chords import NO_CHORD, parse_chord
from banso.data.song import Note, Notes, Song
from banso.errors import DataError
from banso.leadsheet import ChordSpan, LeadSheet

SOURCE = "pop909"
LICENCE = "MIT"
ATTRIBUTION = "POP909, Music X Lab (Wang et al., ISMIR 2020)"

_SHORTEST_NOTE_SECONDS = 0.03
_ARCHIVE = "POP909.tar.xz"
_FILES = ("{n}.mid", "beat_midi.txt", "chord_midi.txt", "key_audio.txt")


@dataclass(frozen=True, slots=True)
class RawSong:
    """The files of one song, not yet understood.

    Attributes:
        number: The folder's name, three digits.
        files: Content by file name.
    """

    number: str
    files: dict[str, bytes]

    @property
    def song_id(self) -> str:
        """Name of the song in banso's manifests."""
        return f"{SOURCE}-{self.number}"

    def read(self) -> Song:
        """Understand the song's files; see `read_song`."""
        return read_song(self)


def read_corpus(root: Path) -> list[RawSong]:
    """Load all songs' files below a folder, in order of their number.

    Args:
        root: A folder that holds the numbered folders or `POP909.tar.xz`, at any depth.

    Returns:
        Raw songs; together about 60 MB, so that worker processes need no second look at the disk.

    Raises:
        DataError: If there is no POP909 below `root`.
    """
    folders = sorted(path.parent for path in root.rglob("beat_midi.txt"))
    if folders:
        songs = [_from_folder(folder) for folder in folders]
    else:
        archives = [root] if root.is_file() else sorted(root.rglob(_ARCHIVE))
        if not archives:
            raise DataError(f"no POP909 below {root}: unpack it there or put {_ARCHIVE} there")
        songs = _from_archive(archives[0])
    return sorted((s for s in songs if s.number.isdigit()), key=lambda song: song.number)


def read_song(raw: RawSong) -> Song:
    """Understand one song's files.

    Raises:
        DataError: If a file is missing, unreadable or holds no melody, beats or chords.
    """
    for name in (pattern.format(n=raw.number) for pattern in _FILES[:3]):
        if name not in raw.files:
            raise DataError(f"{raw.song_id}: {name} is missing")
    tracks = _read_midi(raw)
    if not tracks.get("MELODY"):
        raise DataError(f"{raw.song_id}: the MIDI file has no notes in a track named MELODY")
    beats, downbeats = _read_beats(raw)
    chords = _read_chords(raw)
    last_note = max(note.end_seconds for notes in tracks.values() for note in notes)
    return Song(
        song_id=raw.song_id,
        source=SOURCE,
        melody=_one_voice(tracks["MELODY"]),
        bridge=tracks.get("BRIDGE", ()),
        piano=tracks.get("PIANO", ()),
        lead_sheet=LeadSheet(beats=beats, downbeats=downbeats, chords=chords, key=_read_key(raw)),
        duration_seconds=max(last_note, beats[-1], chords[-1].end_seconds) + 0.5,
        licence=LICENCE,
        attribution=ATTRIBUTION,
    )


def _from_folder(folder: Path) -> RawSong:
    names = (pattern.format(n=folder.name) for pattern in _FILES)
    files = {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}
    return RawSong(folder.name, files)


def _from_archive(path: Path) -> list[RawSong]:
    songs: dict[str, RawSong] = {}
    try:
        with tarfile.open(path) as archive:
            for number, name, content in _members(archive):
                songs.setdefault(number, RawSong(number, {})).files[name] = content
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"cannot unpack {path}: {error}") from error
    return list(songs.values())


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, str, bytes]]:
    for member in archive:
        place = PurePosixPath(member.name)
        number = place.parent.name
        wanted = {pattern.format(n=number) for pattern in _FILES}
        stream = archive.extractfile(member) if place.name in wanted else None
        if stream is not None:
            yield number, place.name, stream.read()


def _read_midi(raw: RawSong) -> dict[str, Notes]:
    try:
        midi = mido.MidiFile(file=io.BytesIO(raw.files[f"{raw.number}.mid"]))
    except (OSError, ValueError, EOFError, KeyError, IndexError) as error:
        raise DataError(f"{raw.song_id}: cannot read the MIDI file: {error}") from error
    clock = _TempoMap(midi)
    return {track.name: _read_track(track, clock) for track in midi.tracks if track.name}


class _TempoMap:
    """Seconds of a tick, for a file whose tempo changes on the way."""

    def __init__(self, midi: mido.MidiFile) -> None:
        self._scale = 1e-6 / midi.ticks_per_beat
        self._changes: list[tuple[int, float, int]] = [(0, 0.0, 500_000)]
        tick = 0
        for message in midi.tracks[0]:
            tick += message.time
            if message.type == "set_tempo":
                self._changes.append((tick, self.seconds(tick), message.tempo))

    def seconds(self, tick: int) -> float:
        start, seconds, tempo = next(c for c in reversed(self._changes) if c[0] <= tick)
        return float(seconds + (tick - start) * tempo * self._scale)


def _read_track(track: mido.MidiTrack, clock: _TempoMap) -> Notes:
    tick = 0
    open_notes: dict[int, tuple[float, int]] = {}
    notes = []
    for message in track:
        tick += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        now = clock.seconds(tick)
        if message.note in open_notes:
            start, velocity = open_notes.pop(message.note)
            if now - start >= _SHORTEST_NOTE_SECONDS:
                notes.append(Note(start, now, message.note, velocity))
        if message.type == "note_on" and message.velocity > 0:
            open_notes[message.note] = (now, message.velocity)
    return tuple(sorted(notes, key=lambda note: (note.start_seconds, note.pitch)))


def _one_voice(notes: Notes) -> Notes:
    """Keep one note at a time, the highest of those that start together: a singer has one voice."""
    kept: list[Note] = []
    for note in notes:
        if kept and note.start_seconds - kept[-1].start_seconds < _SHORTEST_NOTE_SECONDS:
            kept.pop()
        elif kept and kept[-1].end_seconds > note.start_seconds:
            last = kept.pop()
            kept.append(Note(last.start_seconds, note.start_seconds, last.pitch, last.velocity))
        kept.append(note)
    return tuple(kept)


def _rows(raw: RawSong, name: str, least: int) -> list[list[str]]:
    rows = [line.split() for line in raw.files[name].decode("utf-8", "replace").splitlines()]
    rows = [row for row in rows if row]
    if not rows or any(len(row) < least for row in rows):
        raise DataError(f"{raw.song_id}: {name} is empty or has lines of under {least} columns")
    return rows


def _number(raw: RawSong, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"{raw.song_id}: {name} has '{text}' where a number belongs") from error


def _read_beats(raw: RawSong) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Beats and downbeats.

    The file has a flag for two readings of the metre. The first marks every second beat in most
    songs and every third in songs in triple time; the second marks bars of four, and double bars
    in triple time (measured over the 840 songs: 812 with a period of 2 and 4, 28 of 3 and 6;
    65 % of the former's chord changes fall on the second reading's downbeats).
    """
    name = "beat_midi.txt"
    rows = _rows(raw, name, 3)
    times = [_number(raw, name, row[0]) for row in rows]
    halves = [i for i, row in enumerate(rows) if _number(raw, name, row[1]) > 0.5]
    bars = [i for i, row in enumerate(rows) if _number(raw, name, row[2]) > 0.5]
    steps = [b - a for a, b in pairwise(halves)]
    downs = halves if steps and max(set(steps), key=steps.count) == 3 else bars
    if len(downs) < 4:
        raise DataError(f"{raw.song_id}: {name} marks only {len(downs)} downbeats")
    return tuple(times), tuple(times[i] for i in downs)


def _read_chords(raw: RawSong) -> tuple[ChordSpan, ...]:
    """Chord spans, with neighbours of the same name joined and slight overlaps cut."""
    name = "chord_midi.txt"
    spans: list[ChordSpan] = []
    for row in _rows(raw, name, 3):
        start, end = _number(raw, name, row[0]), _number(raw, name, row[1])
        label = row[2] if re.match(r"^[A-GNX]", row[2]) else NO_CHORD
        parse_chord(label)
        if spans:
            start = max(start, spans[-1].end_seconds)
        if end - start < 1e-3:
            continue
        if spans and spans[-1].label == label and start - spans[-1].end_seconds < 1e-3:
            start = spans.pop().start_seconds
        spans.append(ChordSpan(start, end, label))
    if not any(span.label != NO_CHORD for span in spans):
        raise DataError(f"{raw.song_id}: {name} has no chords")
    return tuple(spans)


def _read_key(raw: RawSong) -> str | None:
    """The key that lasts longest; songs that modulate have several."""
    if "key_audio.txt" not in raw.files:
        return None
    length: dict[str, float] = {}
    for row in _rows(raw, "key_audio.txt", 3):
        start, end = (_number(raw, "key_audio.txt", text) for text in row[:2])
        length[row[2]] = length.get(row[2], 0.0) + end - start
    return max(length, key=lambda key: length[key])
